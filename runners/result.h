// The result of a run: one JSON object for programs, a few lines for people.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/train/session.h"
#include "engine/train/straggler.h"
#include "engine/train/timeline.h"
#include "runners/rank_run.h"

namespace dml {

/// One rank's entry in ranks[].
struct RankTime {
  int rank = 0;
  std::string host, device;
  TimeSplit time;
  int stage = 0;
  std::optional<std::int64_t> bytes_sent;  ///< by training, to other ranks
  PhaseTimes step_phases{};                ///< median milliseconds per step of what it does alone
  std::vector<PhaseTimes> blocks;          ///< the same in consecutive parts of the run
};

/// Collective: every rank's entry, in rank order, on every rank; with the phases of its timeline.
std::vector<RankTime> gather_rank_times(RankRun& run, const TimeSplit& mine);

/// {"epoch", "whole", "draws", "once", "repeated", "never", "hash"}.
nlohmann::json to_json(const EpochLedger& ledger);

/// "epoch 2 consumed 60,000 samples: each exactly once".
std::string describe_ledger(const EpochLedger& ledger);

/// The rank that holds the others up, by what each did alone (engine/train/straggler.h). `steps`: that the
/// times are of.
std::optional<Straggler> find_straggler(const std::vector<RankTime>& ranks, std::int64_t steps);

/// "rank 1 is slow in forward: 0.081 ms a step more than the others, 20 % of a step".
std::string describe_straggler(const Straggler& straggler);

/// What a command measured; what it did not measure stays empty and becomes null.
struct Measurements {
  std::optional<std::int64_t> epochs, steps;
  std::optional<std::int64_t> steps_here;  ///< in this process, without those before a resume
  std::optional<double> final_train_loss;
  std::optional<Evaluation> evaluation;
  std::optional<double> setup_seconds, train_seconds, samples_per_second;
  std::optional<std::string> weights_hash;
  std::vector<RankTime> ranks;
  std::vector<EpochLedger> ledgers;
  std::optional<Straggler> straggler;
  std::optional<PartitionCard> partition;  ///< of the first epoch
};

constexpr int kResultSchemaVersion = 1;

/// The object of `--json`, version kResultSchemaVersion (see docs/json.md).
nlohmann::json result_json(RankRun& run, const Measurements& measurements);

/// One line, or several with an indent of `indent` columns. Bytes that are not UTF-8 (in paths) become
/// replacement characters.
std::string json_text(const nlohmann::json& json, int indent = -1);

/// The rows "rank device compute communication wait other" with seconds and shares.
std::string rank_time_table(const std::vector<RankTime>& ranks);

}  // namespace dml
