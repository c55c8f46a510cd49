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

  /// Runs one step. batch.micro_batches[m] are the indices of the samples of micro-batch m in the data set,
  /// the same on every stage of a replica. Without any samples in the batch there is nothing to do.
  StepOutcome run(const Program& program, const StepBatch& batch, const StepState& state);

  /// The same for several steps in a row, by the backend's step loop where the program is one that needs
  /// nobody (forward, backward, update) and the backend has such a loop. `batches` and `states` are one per
  /// step; `on_step` is told of each before it begins.
  std::vector<StepOutcome> run_steps(const std::function<const Program&(const StepBatch&)>& program_of,
                                     std::span<const StepBatch> batches, std::span<const StepState> states,
                                     const std::function<void(std::int64_t)>& on_step);

  /// Waits for what a device still computes, and counts it as compute.
  void finish_compute();
  /// What the executables run, a line an operation (of the largest one compiled).
  [[nodiscard]] std::string description() const;

 private:
  [[nodiscard]] double load_of(const StepBatch& batch) const;
  Executable& executable(int slot, std::int64_t samples);
  [[noreturn]] void say_what_fits(const OutOfMemoryError& error, std::int64_t samples,
                                  const CompileOptions& options);
  StepLoop* loop_for(const Program& program, std::int64_t samples);
  void run_loop(StepLoop& loop, std::span<const StepBatch> batches, std::span<const StepState> states,
                std::vector<StepOutcome>& outcomes);
  void forward(Executable& stage, const std::vector<std::int64_t>& samples, StepOutcome& outcome);
  void backward(Executable& stage, Phase phase);
  void clear_gradients();
  void update(const StepState& state);
  void finish_phase();
  void finish_communication();
  std::int64_t prepare_communication();
  void combine(View values);
  void average(const ParameterRange& bucket);
  void communicate(const Action& action, Executable& stage);
  static void check_output(Executable& stage, StepOutcome& outcome);

  ExecutorParts parts_;
  DataBinding data_;
  Normalization normalization_;
  bool training_;
  std::map<std::pair<int, std::int64_t>, std::unique_ptr<Executable>> executables_;  // by (slot, samples)
  std::map<std::int64_t, std::unique_ptr<StepLoop>> loops_;  // by samples; null where the backend has none
  std::vector<std::int64_t> loop_samples_;
  Slowness slowness_;
  std::int64_t own_samples_ = 0, all_samples_ = 0;  // since the last average
  Buffer gathered_;  // all ranks' copies of one bucket, for Aggregate::allgather
};

}  // namespace dml
