#include "runners/cli/parallel_flags.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "engine/model/zoo.h"
#include "kernels/base/error.h"
#include "runners/cli/device_flags.h"
#include "runners/cli/suggest.h"

namespace dml {
namespace {

constexpr std::int64_t kMostRanks = 1024;
constexpr std::int64_t kLargestBatch = 1'000'000;
constexpr std::int64_t kSmallestBucketBytes = 8;  // one fp64 value
constexpr std::int64_t kLargestBucketBytes = std::int64_t{1} << 31;

constexpr std::int64_t kMostLocalSteps = 1'000'000;
constexpr std::array kDataParallelFlags = {"aggregate", "bucket-bytes", "local-steps", "share"};

const std::vector<std::string> kModes = {"single", "data-parallel", "model-parallel"};

std::string text_of(const std::vector<int>& values) {
  std::string text;
  for (const int value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
  return text;
}

/// Cuts of a model into `stages` parts with about as many layers each: an example for messages.
std::string example_split(int layers, std::int64_t stages) {
  std::vector<int> cuts;
  for (std::int64_t stage = 1; stage < stages; ++stage)
    cuts.push_back(static_cast<int>(stage * layers / stages));
  return text_of(cuts);
}

class ParallelReader {
 public:
  ParallelReader(FlagReader& flags, std::span<const std::string> words, const Environment& environment,
                 Invocation& invocation)
      : flags_(flags),
        words_(words),
        environment_(environment),
        contract_(invocation.contract),
        model_(model_by_name(invocation.config.model)),
        config_(invocation.config),
        parallel_(invocation.config.parallel) {}

  void read() {
    read_mode();
    refuse_flags_of_other_modes();
    if (parallel_.mode == Mode::model_parallel) read_split();
    read_ranks();
    if (parallel_.mode == Mode::data_parallel) read_aggregation();
    if (parallel_.mode == Mode::model_parallel) read_schedule();
    if (parallel_.mode != Mode::model_parallel) {
      parallel_.accumulate = static_cast<int>(flags_.integer("accumulate", {1, kLargestBatch}));
    }
    read_batch();
  }

 private:
  void read_mode() {
    const std::optional<std::int64_t> wanted = wanted_ranks();
    if (!flags_.given("mode")) {
      if (wanted && *wanted > 1) ask_for_mode(*wanted);
      refuse_flags_that_imply_a_mode();
    }
    const std::string word = flags_.given("mode") ? flags_.typed("mode") : "single";
    if (word == "hybrid") {
      throw UsageError("--mode hybrid: this version combines no modes. Choose " + alternatives(kModes) + ".");
    }
    if (std::find(kModes.begin(), kModes.end(), word) == kModes.end()) {
      refuse_choice("mode", word, kModes, foreign_mode(word));
    }
    parallel_.mode = word == "single"          ? Mode::single
                     : word == "data-parallel" ? Mode::data_parallel
                                               : Mode::model_parallel;
    flags_.note_as_read("mode", word);
  }

  /// The number of ranks that the flag or the launcher asks for, if one of them does.
  std::optional<std::int64_t> wanted_ranks() const {
    std::optional<std::int64_t> from_flag;
    if (flags_.given("ranks")) {
      from_flag =
          parse_integer("ranks", flags_.typed("ranks"), {1, kMostRanks}, "Write for example --ranks 2.");
    }
    if (!contract_.is_rank()) {
      if (!config_.gpus.empty()) return static_cast<std::int64_t>(config_.gpus.size());  // one rank each
      return from_flag;
    }
    if (!config_.gpus.empty() &&
        config_.gpus.size() != static_cast<std::size_t>(contract_.local_world_size)) {
      throw UsageError(
          "--gpus " + flags_.typed("gpus") + " names " + std::to_string(config_.gpus.size()) +
          " devices, but the launcher has started " + std::to_string(contract_.local_world_size) +
          " ranks on this host. Name one device for each, or leave --gpus out: rank r then has GPU r.");
    }
    if (from_flag && *from_flag != contract_.world_size) {
      throw UsageError("--ranks " + std::to_string(*from_flag) + " and " + std::string(world_variable()) +
                       "=" + std::to_string(contract_.world_size) +
                       " in the environment contradict each other. Under a launcher leave --ranks out.");
    }
    return contract_.world_size;
  }

  std::string_view world_variable() const {
    return contract_.source == Contract::Source::supervisor ? "DML_WORLD_SIZE" : "WORLD_SIZE";
  }

  /// "--ranks 2", or whatever else asks for so many ranks.
  std::string who_wants(std::int64_t ranks) const {
    if (flags_.given("ranks")) return "--ranks " + std::to_string(ranks);
    if (!contract_.is_rank()) return "--gpus " + flags_.typed("gpus");
    return std::string(world_variable()) + "=" + std::to_string(ranks);
  }

  [[noreturn]] void ask_for_mode(std::int64_t ranks) const {
    const std::string who = who_wants(ranks);
    const bool fits = ranks <= model_.layer_count();
    const std::string stages =
        fits && ranks > 2 ? " --split " + example_split(model_.layer_count(), ranks) : "";
    const auto line = [&](const std::string& extra, bool keep_ranks) {
      static const std::vector<std::string> kAll = {};
      static const std::vector<std::string> kRanks = {"ranks"};
      return "\n  " + runnable_line(environment_, words_, keep_ranks ? kAll : kRanks, extra);
    };
    throw UsageError(who + " needs --mode, which says how the ranks share the work. Write one of" +
                     line("--mode data-parallel", true) +
                     line("--mode data-parallel --aggregate allgather", true) +
                     line("--mode model-parallel" + stages, fits));
  }

  void refuse_flags_that_imply_a_mode() const {
    for (const char* flag : {"split", "schedule", "micro-batches"}) {
      if (flags_.given(flag)) refuse_in_single(flag, "model-parallel");
    }
    for (const char* flag : kDataParallelFlags) {
      if (flags_.given(flag)) refuse_in_single(flag, "data-parallel");
    }
  }

  [[noreturn]] void refuse_in_single(const std::string& flag, const std::string& mode) const {
    throw UsageError("--" + flag + " " + shown(flags_.typed(flag)) +
                     ": on one rank this has no meaning. Add --mode " + mode + ", or leave --" + flag +
                     " out.");
  }

  void refuse_flags_of_other_modes() const {
    const auto refuse = [&](const char* flag, const char* home) {
      if (!flags_.given(flag)) return;
      throw UsageError("--" + std::string(flag) + " " + shown(flags_.typed(flag)) + " belongs to --mode " +
                       home + ", but --mode is " + to_string(parallel_.mode) + ". Leave --" + flag +
                       " out, or write --mode " + home + ".");
    };
    if (parallel_.mode != Mode::model_parallel) {
      for (const char* flag : {"split", "schedule", "micro-batches"}) refuse(flag, "model-parallel");
    }
    if (parallel_.mode != Mode::data_parallel) {
      for (const char* flag : kDataParallelFlags) refuse(flag, "data-parallel");
    }
    if (parallel_.mode == Mode::single && flags_.given("rendezvous")) {
      throw UsageError("--rendezvous " + shown(flags_.typed("rendezvous")) +
                       ": a single rank meets nobody. Leave it out, or write --mode data-parallel.");
    }
    if (parallel_.mode == Mode::model_parallel && flags_.given("accumulate")) {
      throw UsageError(
          "--accumulate " + shown(flags_.typed("accumulate")) +
          ": a pipeline already works through slices of the batch. Write --micro-batches instead.");
    }
  }

  void read_split() {
    const std::string word = flags_.given("split") ? flags_.typed("split") : "conv-fc";
    const int layers = model_.layer_count();
    if (word == "conv-fc") {
      parallel_.split = {first_linear_layer(model_)};
      flags_.note("split", text_of(parallel_.split),
                  flags_.given("split") ? Setting::Source::flag : Setting::Source::fallback,
                  "conv-fc: before the first linear layer");
      return;
    }
    if (word == "auto") {
      throw UsageError(
          "--split auto: this version does not choose the cut. Write --split conv-fc or the layers before "
          "which to cut, for example --split " +
          example_split(layers, 2) + ".");
    }
    const auto cuts =
        parse_integer_list("split", word, {1, layers - 1},
                           "Model " + model_.name + " has layers 0 to " + std::to_string(layers - 1) +
                               "; write conv-fc or the layers before which to cut, for example --split " +
                               example_split(layers, 2) + ".");
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      if (i > 0 && cuts[i] <= cuts[i - 1]) {
        throw UsageError("--split " + shown(word) + ": cuts must rise from left to right, and " +
                         std::to_string(cuts[i]) + " follows " + std::to_string(cuts[i - 1]) +
                         ". Write each cut once, smallest first, for example --split " +
                         example_split(layers, std::min<std::int64_t>(3, layers)) + ".");
      }
      parallel_.split.push_back(static_cast<int>(cuts[i]));
    }
    flags_.note("split", text_of(parallel_.split), Setting::Source::flag);
  }

  void read_ranks() {
    const std::optional<std::int64_t> wanted = wanted_ranks();
    const std::int64_t stages = static_cast<std::int64_t>(parallel_.split.size()) + 1;
    if (parallel_.mode == Mode::single) {
      if (wanted && *wanted > 1) {
        throw UsageError("--mode single runs on one rank, but " + who_wants(*wanted) +
                         " asks for more. Leave that out, or write --mode data-parallel.");
      }
      parallel_.ranks = 1;
    } else if (parallel_.mode == Mode::model_parallel) {
      if (wanted && *wanted != stages) refuse_ranks_for_split(*wanted, stages);
      parallel_.ranks = static_cast<int>(stages);
    } else {
      const bool on_gpus = config_.device == Device::cuda;
      parallel_.ranks = static_cast<int>(wanted.value_or(on_gpus ? gpu_count() : 2));
    }
    check_gpus();
    const std::string ranks = std::to_string(parallel_.ranks);
    if (flags_.given("ranks")) {
      flags_.note("ranks", ranks, Setting::Source::flag);
    } else if (contract_.is_rank()) {
      flags_.note("ranks", ranks, Setting::Source::environment, std::string(world_variable()));
    } else if (!config_.gpus.empty()) {
      flags_.note("ranks", ranks, Setting::Source::derived, "one for each of --gpus");
    } else if (parallel_.mode == Mode::model_parallel) {
      flags_.note("ranks", ranks, Setting::Source::derived, "one per stage");
    } else {
      flags_.note("ranks", ranks, Setting::Source::fallback);
    }
  }

  [[nodiscard]] std::int64_t gpu_count() const {
    return static_cast<std::int64_t>(environment_.find_gpus().devices.size());
  }

  /// Without --gpus rank r of a host has GPU r.
  void check_gpus() const {
    if (config_.device != Device::cuda || !config_.gpus.empty() || parallel_.mode == Mode::single) return;
    const std::int64_t local_ranks = contract_.is_rank() ? contract_.local_world_size : parallel_.ranks;
    const std::int64_t found = gpu_count();
    if (local_ranks <= found) return;
    std::string shared = "0";
    for (std::int64_t rank = 1; rank < local_ranks; ++rank) shared += "," + std::to_string(rank % found);
    throw UnavailableError(std::to_string(local_ranks) +
                           " ranks need as many GPUs, and this process may use " + std::to_string(found) +
                           ". Ranks may share GPUs if you say so: --gpus " + shared +
                           ". Or write --device cpu.");
  }

  [[noreturn]] void refuse_ranks_for_split(std::int64_t ranks, std::int64_t stages) const {
    const int layers = model_.layer_count();
    std::string fix = "Leave that out.";
    if (ranks == 1) {
      fix = "For one rank write --mode single.";
    } else if (ranks <= layers) {
      fix = "Choose a split with " + std::to_string(ranks - 1) + " cut" + (ranks == 2 ? "" : "s") +
            ", for example --split " + example_split(layers, ranks) + ".";
    } else {
      fix = "Model " + model_.name + " has " + std::to_string(layers) + " layers, so at most " +
            std::to_string(layers) + " ranks can share it.";
    }
    throw UsageError(who_wants(ranks) + ": model-parallel needs one rank per stage, and --split " +
                     text_of(parallel_.split) + " makes " + std::to_string(stages) + " stages. " + fix);
  }

  void read_aggregation() {
    static const std::vector<std::string> kAggregates = {"allreduce", "allgather"};
    parallel_.aggregate =
        flags_.choice("aggregate", kAggregates) == "allgather" ? Aggregate::allgather : Aggregate::allreduce;
    parallel_.bucket_bytes = flags_.integer("bucket-bytes", {kSmallestBucketBytes, kLargestBucketBytes});
    parallel_.local_steps = flags_.optional_integer("local-steps", {1, kMostLocalSteps}).value_or(0);
    static const std::vector<std::string> kShares = {"equal", "speed"};
    parallel_.share = flags_.choice("share", kShares) == "speed" ? Share::speed : Share::equal;
  }

  void read_schedule() {
    static const std::vector<std::string> kSchedules = {"sequential", "gpipe"};
    if (flags_.given("schedule") && flags_.typed("schedule") == "1f1b") {
      throw UsageError("--schedule 1f1b: this version does not have it. Choose " + alternatives(kSchedules) +
                       ".");
    }
    parallel_.schedule =
        flags_.choice("schedule", kSchedules) == "gpipe" ? Schedule::gpipe : Schedule::sequential;
    if (flags_.given("micro-batches")) {
      parallel_.micro_batches =
          static_cast<int>(parse_integer("micro-batches", flags_.typed("micro-batches"), {1, kLargestBatch},
                                         "Write for example --micro-batches 4."));
      flags_.note("micro-batches", std::to_string(parallel_.micro_batches), Setting::Source::flag);
    } else {
      const bool pipelined = parallel_.schedule == Schedule::gpipe;
      parallel_.micro_batches = pipelined ? 4 : 1;
      flags_.note("micro-batches", std::to_string(parallel_.micro_batches), Setting::Source::fallback,
                  pipelined ? "of gpipe" : "");
    }
  }

  void read_batch() {
    const std::int64_t replicas = parallel_.mode == Mode::data_parallel ? parallel_.ranks : 1;
    if (flags_.given("batch-per-rank")) {
      if (flags_.given("batch")) {
        throw UsageError("--batch and --batch-per-rank say the same in two ways. Leave one of them out.");
      }
      const std::int64_t share = parse_integer("batch-per-rank", flags_.typed("batch-per-rank"),
                                               {1, kLargestBatch}, "Write for example --batch-per-rank 32.");
      config_.batch = share * replicas * parallel_.accumulate;
      if (config_.batch > kLargestBatch) {
        throw UsageError("--batch-per-rank " + std::to_string(share) + ": times " + std::to_string(replicas) +
                         " replicas times --accumulate " + std::to_string(parallel_.accumulate) + " is " +
                         std::to_string(config_.batch) + " samples per update, and " +
                         std::to_string(kLargestBatch) + " is the most. Write a smaller --batch-per-rank.");
      }
      flags_.note("batch", std::to_string(config_.batch), Setting::Source::derived,
                  "--batch-per-rank " + std::to_string(share) + " x " + std::to_string(replicas) +
                      " replicas x " + std::to_string(parallel_.accumulate));
    } else {
      config_.batch = flags_.integer("batch", {1, kLargestBatch});
    }
    refuse_small_batch(replicas);
  }

  void refuse_small_batch(std::int64_t replicas) const {
    const std::int64_t slices =
        parallel_.mode == Mode::model_parallel ? parallel_.micro_batches : replicas * parallel_.accumulate;
    if (config_.batch >= slices) return;
    std::string parts;
    if (parallel_.mode == Mode::model_parallel) {
      parts = std::to_string(slices) + " micro-batches";
    } else {
      parts = std::to_string(replicas) + (replicas == 1 ? " replica" : " replicas") + " x --accumulate " +
              std::to_string(parallel_.accumulate);
    }
    throw UsageError("--batch " + std::to_string(config_.batch) + ": " + parts + " need at least " +
                     std::to_string(slices) + " samples per update, one for each part. Write --batch " +
                     std::to_string(slices) + " or more, or ask for fewer parts.");
  }

  FlagReader& flags_;
  std::span<const std::string> words_;
  const Environment& environment_;
  const Contract& contract_;
  const ModelSpec model_;
  RunConfig& config_;
  ParallelOptions& parallel_;
};

}  // namespace

void read_parallel_flags(FlagReader& flags, std::span<const std::string> words,
                         const Environment& environment, Invocation& invocation) {
  ParallelReader(flags, words, environment, invocation).read();
}

}  // namespace dml
