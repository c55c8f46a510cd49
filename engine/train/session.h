// One rank of a run, assembled: its stage of the model, its parameters, its peers, its executors.
//
// Everything a command needs to train, evaluate or measure goes through here; loops over epochs are the
// trainer's. Functions marked "collective" must be called by all ranks together.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/data/dataset.h"
#include "engine/data/sample_order.h"
#include "engine/model/parameters.h"
#include "engine/model/spec.h"
#include "engine/parallel/topology.h"
#include "engine/run/named_tensor.h"
#include "engine/run/run_config.h"
#include "engine/train/batch.h"
#include "engine/train/executor.h"
#include "engine/train/mirrored_arena.h"
#include "engine/train/timeline.h"
#include "kernels/base/backend.h"

namespace dml {

struct Evaluation {
  double loss = 0;      ///< mean over the samples
  double accuracy = 0;  ///< 0..1
  std::int64_t samples = 0;
};

class Session {
 public:
  /// Everything referred to outlives the session; the communicator moves values in the backend's memory
  /// (make_device_communicator). Throws UsageError when model, data and split do not fit.
  Session(const RunConfig& config, Backend& backend, Communicator& communicator, const DatasetSplits& data,
          OrderOfEpoch order);

  [[nodiscard]] const RunConfig& config() const { return config_; }
  [[nodiscard]] const ModelSpec& model() const { return model_; }
  [[nodiscard]] const ParameterLayout& layout() const { return layout_; }
  [[nodiscard]] const Topology& topology() const { return topology_; }
  [[nodiscard]] Communicator& communicator() { return communicator_; }
  [[nodiscard]] Stream& stream() { return *stream_; }
  [[nodiscard]] Timeline& timeline() { return timeline_; }
  [[nodiscard]] int rank() const { return communicator_.rank(); }

  /// What this rank has read of the data set.
  [[nodiscard]] DataLedger& ledger() { return ledger_; }
  /// The batches of an epoch, for this rank's replica.
  [[nodiscard]] BatchSequence batches(std::int64_t epoch) const;
  /// Compiles what training on `batch` needs, so that no step does.
  void prepare(const StepBatch& batch);
  /// One update; none when the batch holds no samples at all.
  StepOutcome train_step(const StepBatch& batch, const StepState& state);
  /// One update for each batch, in order, with less of the host in between where the backend can; `on_step`
  /// is told of each step before it begins.
  std::vector<StepOutcome> train_steps(std::span<const StepBatch> batches, std::span<const StepState> states,
                                       const std::function<void(std::int64_t)>& on_step);
  /// Whether the outcomes of train_steps() leave it open where a loss that is not finite came from; alike on
  /// all ranks.
  [[nodiscard]] bool can_retrace() const { return train_executor_->may_loop(); }
  /// Collective: the steps of the last train_steps() once more, so that the outcomes say it. Training is over
  /// then.
  std::vector<StepOutcome> retrace(std::span<const StepBatch> batches, std::span<const StepState> states);
  /// Waits for what a device still computes, and counts it as that.
  void finish_compute() { train_executor_->finish_compute(); }
  /// Collective: the test split, each sample exactly once, shared among the replicas. Throws NegativeResult
  /// on every rank when the loss is not finite.
  [[nodiscard]] Evaluation evaluate();

  /// The parameters as named tensors over the arena, torch's names and layouts, in host memory. Ranks of a
  /// pipeline hold current values of their own stage only, until gather_parameters(). Valid until the next
  /// step.
  [[nodiscard]] std::vector<NamedTensor> weights();
  /// Throws NegativeResult naming the first tensor of weights() that holds a NaN or an infinity.
  void check_weights();
  /// Optimizer state by slot, each with the names and shapes of weights().
  [[nodiscard]] std::vector<std::vector<NamedTensor>> optimizer_state();
  [[nodiscard]] View parameter_arena() { return values_.host(); }
  /// To be called after values of the three above were written from outside.
  void parameters_changed();
  /// Collective: every rank gets every stage's parameters and optimizer state.
  void gather_parameters();
  /// Collective: every rank gets rank 0's parameters and optimizer state.
  void broadcast_parameters();
  [[nodiscard]] std::string weights_hash() { return hash_parameters(layout_, values_.host()); }

  /// What runs on this rank, a line an operation.
  [[nodiscard]] std::string description() const { return train_executor_->description(); }

 private:
  const Program& program_for(const StepBatch& batch);
  [[nodiscard]] Executor::ProgramOf program_of();
  void device_changed();
  [[nodiscard]] std::int64_t evaluation_batch();
  [[nodiscard]] std::vector<NamedTensor> tensors_over(View arena) const;

  const RunConfig& config_;
  Backend& backend_;
  Communicator& communicator_;
  OrderOfEpoch order_;
  const DatasetSplits& data_;
  ModelSpec model_;
  ParameterLayout layout_;
  Topology topology_;
  std::vector<ParameterRange> buckets_;
  std::unique_ptr<Stream> stream_;
  MirroredArena values_, optimizer_state_;
  Buffer gradients_;
  ParameterBinding parameters_;
  Timeline timeline_;
  DataLedger ledger_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Executor> train_executor_, test_executor_;
  std::int64_t evaluation_batch_ = 0;  ///< samples at a time; 0: not known yet
  // By which micro-batches of this replica hold samples, and whether the replicas average.
  std::map<std::vector<bool>, Program> programs_;
};

}  // namespace dml
