// The one executor: carries out a rank's actions, whatever the mode, and owns their timing.
//
// One executor serves one rank and one data set. It compiles the rank's stage once for every (slot, number of
// samples) that a step uses and keeps those executables; after the first step of each shape a step allocates
// nothing. A failed communication ends the step with PeerError naming step and action.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/data/dataset.h"
#include "engine/data/ledger.h"
#include "engine/model/parameters.h"
#include "engine/parallel/options.h"
#include "engine/parallel/program.h"
#include "engine/parallel/topology.h"
#include "engine/train/batch.h"
#include "engine/train/plan.h"
#include "engine/train/slowness.h"
#include "engine/train/timeline.h"
#include "kernels/base/backend.h"
#include "kernels/base/error.h"

namespace dml {

/// What an executor works with; everything referred to outlives it.
struct ExecutorParts {
  const ModelSpec& model;
  const ParameterLayout& layout;
  const Topology& topology;
  int rank = 0;
  Backend& backend;
  Stream& stream;
  Communicator& communicator;
  ParameterBinding& parameters;
  Optimizer* optimizer = nullptr;  ///< null: forward only
  KernelChoice kernels = KernelChoice::automatic;
  Aggregate aggregate = Aggregate::allreduce;
  std::span<const ParameterRange> buckets;
  Timeline& timeline;
  DataLedger* ledger = nullptr;  ///< told of every sample whose image is read here; may be null
  const SlowOptions* slow = nullptr;
  View optimizer_state = {};  ///< averaged with the weights, whole slots of the arena's size
  bool local_steps = false;   ///< replicas update with their own samples alone
  int slices = 1;             ///< of a replica's share of a batch, one after the other
};

/// What a step found on this rank. Losses are known to the last stage only.
struct StepOutcome {
  double loss_sum = 0;       ///< over this rank's samples
  std::int64_t correct = 0;  ///< of this rank's samples
  /// Where a NaN or infinity was seen first, "first seen in the output of layer conv2"; empty when none was.
  std::string not_finite;
};

class Executor {
 public:
  Executor(const ExecutorParts& parts, const Dataset& dataset);

  /// Compiles what the program needs for micro-batches of these sizes, ahead of the first step.
  void prepare(const Program& program, std::span<const std::vector<std::int64_t>> micro_batches);

  /// The largest of `samples`, half of it, a quarter, ... that the backend has room to compute at a time; 0:
  /// not even one. It stays compiled.
  std::int64_t largest_fitting(std::int64_t samples);

  /// Runs one step. batch.micro_batches[m] are the indices of the samples of micro-batch m in the data set,
  /// the same on every stage of a replica. Without any samples in the batch there is nothing to do.
  StepOutcome run(const Program& program, const StepBatch& batch, const StepState& state);

  /// Which program a batch is run with. Programs live as long as the executor.
  using ProgramOf = std::function<const Program&(const StepBatch&)>;

  /// The same for several steps in a row, by loops of the backend (executor_loops.cpp) where it has them and
  /// nothing in the program needs the host. `batches` and `states` are one per step; `on_step` is told of
  /// each before it begins. A loop says of a loss that is not finite only that it is.
  std::vector<StepOutcome> run_steps(const ProgramOf& program_of, std::span<const StepBatch> batches,
                                     std::span<const StepState> states,
                                     const std::function<void(std::int64_t)>& on_step);
  /// Whether run_steps() may use loops: alike on all ranks.
  [[nodiscard]] bool may_loop() const;
  /// Collective, where may_loop(): the steps of the last run_steps() again, from where it began and one by
  /// one, so that each says where a value is not finite.
  std::vector<StepOutcome> retrace(const ProgramOf& program_of, std::span<const StepBatch> batches,
                                   std::span<const StepState> states);

  /// Waits for what a device still computes, and counts it as compute.
  void finish_compute();
  /// What the executables run, a line an operation (of the largest one compiled).
  [[nodiscard]] std::string description() const;

 private:
  using Actions = std::span<const Action>;  // a part of a program
  /// A program as a loop of the backend.
  struct Loop {
    std::unique_ptr<StepLoop> steps;  ///< null: run() after run()
    std::vector<int> read;            ///< the micro-batches whose sample indices it reads, in order
    std::vector<Actions> timed;       ///< what it notes times of; several that go together share theirs
  };
  using Sizes = std::vector<std::int64_t>;  // samples of each micro-batch

  [[nodiscard]] double load_of(const StepBatch& batch) const;
  Executable& executable(int slot, std::int64_t samples);
  [[nodiscard]] std::unique_ptr<Executable> compile(std::int64_t samples);
  [[noreturn]] void say_what_fits(const OutOfMemoryError& error, std::int64_t samples);
  Loop& loop_for(const Program& program, const StepBatch& batch);
  Loop make_loop(const Program& program, const Sizes& sizes);
  void append_parts(Actions actions, const Sizes& sizes, std::vector<StepPart>& parts);
  void run_loop(Loop& loop, std::span<const StepBatch> batches, std::span<const StepState> states,
                std::vector<StepOutcome>& outcomes);
  void record_times(const Loop& loop, std::span<const StepBatch> batches, std::span<const StepState> states,
                    std::span<const std::int64_t> times);
  void keep_start();
  [[nodiscard]] StepState own_state(const StepBatch& batch, const StepState& state);
  void forward(Executable& stage, const std::vector<std::int64_t>& samples, StepOutcome& outcome);
  void backward(Executable& stage, Phase phase);
  void clear_gradients();
  void update(const StepState& state);
  void finish_phase();
  void finish_communication();
  std::int64_t prepare_communication();
  void combine(View values);
  void exchange(View values);
  void add_up(View values);
  [[nodiscard]] View copies_of(View values) const;
  [[nodiscard]] const char* aggregate_name() const;
  [[nodiscard]] const char* name_of(Verb verb) const;
  static CommunicationRecord::Kind kind_of(Verb verb);
  void average(const ParameterRange& bucket);
  void communicate(const Action& action, Executable& stage);
  void pass(const Action& action, Executable& stage);
  static View message_of(const Action& action, Executable& stage);
  static void check_output(Executable& stage, StepOutcome& outcome);

  ExecutorParts parts_;
  DataBinding data_;
  Normalization normalization_;
  bool training_;
  std::map<std::pair<int, std::int64_t>, std::unique_ptr<Executable>> executables_;  // by (slot, samples)
  std::map<std::pair<const Program*, Sizes>, Loop> loops_;
  std::vector<std::int64_t> loop_samples_;
  Slowness slowness_;
  struct SampleCounts {
    std::int64_t own = 0, all = 0;
  };
  SampleCounts since_average_;
  // What run_steps() began with.
  Buffer start_values_, start_state_;
  SampleCounts start_counts_;
  Buffer gathered_;  // all ranks' copies of one bucket, for Aggregate::allgather
};

}  // namespace dml
