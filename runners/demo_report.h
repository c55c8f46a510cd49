// The tables of `demo` and the sentences under them, from the results of its runs: pure functions, so that
// what is said can be tested against the numbers it is said of.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace dml {

/// Shares of a rank's training time, in [0, 1].
struct DemoRankTime {
  double compute = 0, communication = 0, wait = 0, other = 0;
};

/// One run of the demo.
struct DemoRow {
  std::string label;  ///< "data-parallel, allreduce"
  std::string mode;   ///< "single", "data-parallel" or "model-parallel"
  int ranks = 1, threads = 1;
  std::string batch;  ///< "2 x 16"
  std::int64_t steps = 0;
  std::optional<double> accuracy, train_loss;  ///< accuracy in [0, 1]
  double samples_per_second = 0;
  double ceiling = 1;  ///< of the speed-up, by the cut of the model
  std::vector<DemoRankTime> rank_times;
};

/// From the JSON object a run printed. Throws InternalError when it is not one of ours.
DemoRow read_demo_row(const nlohmann::json& result, const std::string& label, const std::string& batch);

/// Speed-ups are against the first row, which is `single` on as many cores.
std::string demo_table(const std::vector<DemoRow>& rows);

/// What the table "same computation" shows, in two or three sentences.
std::vector<std::string> read_same_computation(const std::vector<DemoRow>& rows, bool synthetic);

/// What the table "same load per rank" shows.
std::vector<std::string> read_same_load(const std::vector<DemoRow>& rows, bool synthetic);

}  // namespace dml
