// What the runs of a study say about its arms: numbers by seed, compared in pairs with the baseline's.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runners/study/directory.h"
#include "runners/study/statistics.h"

namespace dml {

inline constexpr double kConfidence = 0.95;
inline constexpr double kLevel = 0.05;  ///< of tests, over all comparisons of a section
inline constexpr double kPower = 0.8;   ///< with which a difference "would have been seen"

/// One point of a curve over the seeds.
struct CurvePoint {
  double x = 0;
  MeanInterval y;
};

/// Shares of a rank's training time, and what it puts on the wire; means over the seeds.
struct RankSummary {
  double compute = 0, communication = 0, wait = 0, other = 0;
  std::optional<double> bytes_per_step;
  std::optional<std::array<double, 3>>
      phases_ms;  ///< forward, backward, before communicating: medians per step
};

/// How often a seed's run named this rank and phase as slow.
struct StragglerCount {
  int rank = 0;
  std::string phase;
  std::int64_t runs = 0;
};

struct ArmSummary {
  std::string name;
  std::map<std::string, std::string> values;
  std::vector<std::string> arguments;
  // By seed, in the study's order; empty where the run is not there, or ended without a result.
  std::vector<std::optional<double>> accuracy;  ///< of the test set, percent
  std::vector<std::optional<double>> train_loss;
  std::vector<std::optional<double>> samples_per_second;
  std::vector<std::string> run_ids;
  std::int64_t finished = 0, diverged = 0;
  nlohmann::json result;  ///< of the first seed that has one: what seeds have in common; null without any
  std::vector<RankSummary> ranks;
  std::vector<CurvePoint> loss_by_step, accuracy_by_epoch;
  std::vector<StragglerCount> stragglers;
  // Against the baseline; empty for the baseline itself and where no seed has both.
  std::optional<PairedComparison> accuracy_difference;  ///< percentage points
  std::optional<double> adjusted_p;                     ///< Holm, over the arms of the section
  std::optional<double> detectable;                     ///< points, with kPower at a level for all of them
  /// Of the logarithm of samples per second; its interval holds for all arms of the section together
  /// (Bonferroni).
  std::optional<PairedComparison> speed_difference;
};

struct ComparisonSummary {
  std::string name, question;
  std::size_t baseline = 0;
  std::vector<ArmSummary> arms;
};

struct StudySummary {
  std::string directory;
  nlohmann::json study;  ///< study.json, for what is told of machine and versions
  std::vector<std::uint64_t> seeds;
  std::vector<ComparisonSummary> comparisons;
  std::int64_t runs = 0, finished = 0;
  std::string
      last_ended;  ///< when the last of the runs did: StudyRecord::ended; empty where that is not known
};

/// Reads a study's folder. Throws what read_study() and read_records() throw.
StudySummary summarise_study(const std::string& directory);

/// The folder of a single run as a study of one arm with one seed. Throws UsageError when it holds no run.
StudySummary summarise_run(const std::string& directory);

/// Mean and interval of the seeds that have a value; nothing without any.
std::optional<MeanInterval> over_seeds(const std::vector<std::optional<double>>& values);

/// speed(arm) / speed(single on as many cores, same model and data) in each seed, and what single it is;
/// nothing where the study has no such arm.
struct SpeedUp {
  std::vector<double> by_seed;
  std::string against;  ///< "single, batch 32"
};
std::optional<SpeedUp> speed_up(const StudySummary& study, const ArmSummary& arm);

}  // namespace dml
