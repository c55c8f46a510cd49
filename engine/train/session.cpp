#include "engine/train/session.h"

#include <algorithm>
#include <cmath>

#include "engine/model/zoo.h"
#include "engine/parallel/buckets.h"
#include "engine/parallel/check.h"
#include "engine/parallel/modes.h"
#include "engine/train/agreement.h"

namespace dml {
namespace {

constexpr std::int64_t kEvaluationBatch = 250;

void check_data_fits(const ModelSpec& model, const Dataset& data) {
  const ActivationShape image{data.C, data.H, data.W};
  if (image == model.input && data.classes <= model.classes) return;
  const auto text = [](const ActivationShape& shape) {
    return std::to_string(shape.C) + "x" + std::to_string(shape.H) + "x" + std::to_string(shape.W);
  };
  throw UsageError("--model " + model.name + " takes " + text(model.input) + " images of " +
                   std::to_string(model.classes) + " classes, but " + data.name + " has " + text(image) +
                   " images of " + std::to_string(data.classes) + " classes; choose another --dataset");
}

/// `findings`: where each rank first saw a value that is not finite, empty where it saw none.
NegativeResult not_finite_loss(const std::vector<std::string>& findings) {
  std::string where = "in the sum over samples";
  for (std::size_t rank = findings.size(); rank-- > 0;) {
    if (!findings[rank].empty()) where = "on rank " + std::to_string(rank) + ": " + findings[rank];
  }
  return NegativeResult("the test loss is NaN or infinite, " + where +
                        ". These weights are of no use; where training made them, lower --lr");
}

}  // namespace

Session::Session(const RunConfig& config, Backend& backend, Communicator& communicator,
                 const DatasetSplits& data, OrderOfEpoch order)
    : config_(config),
      backend_(backend),
      communicator_(communicator),
      order_(std::move(order)),
      data_(data),
      model_(model_by_name(config.model)),
      layout_(model_),
      topology_(make_topology(config.parallel, model_)),
      stream_(backend.make_stream()),
      values_(backend, *stream_, layout_.elements(), "parameters"),
      optimizer_state_(backend, *stream_, layout_.elements() * optimizer_state_slots(config.optimizer),
                       "optimizer state"),
      gradients_(backend.allocate(layout_.elements(), "gradients")),
      ledger_(data.train.samples) {
  DML_ASSERT(topology_.ranks() == communicator.size(), "the communicator has another size than the topology");
  check_data_fits(model_, data.train);
  check_data_fits(model_, data.test);

  parameters_.values = values_.values();
  parameters_.gradients = gradients_.view;
  initialise_parameters(layout_, config.seed, values_.host());
  parameters_changed();

  const Stage& stage = topology_.stage(rank());
  const ParameterRange range = layout_.range(stage.first_layer, stage.last_layer);
  const auto element_bytes = static_cast<std::int64_t>(size_in_bytes(backend.dtype()));
  buckets_ = make_buckets(range, element_bytes, config.parallel.bucket_bytes);
  optimizer_ = backend.make_optimizer(config.optimizer, parameters_, optimizer_state_.values(), range.first,
                                      range.count);

  ExecutorParts parts{.model = model_,
                      .layout = layout_,
                      .topology = topology_,
                      .rank = rank(),
                      .backend = backend_,
                      .stream = *stream_,
                      .communicator = communicator_,
                      .parameters = parameters_,
                      .optimizer = optimizer_.get(),
                      .kernels = config.kernels,
                      .aggregate = config.parallel.aggregate,
                      .buckets = buckets_,
                      .timeline = timeline_,
                      .ledger = &ledger_,
                      .slow = config.slow ? &*config.slow : nullptr,
                      .optimizer_state = optimizer_state_.values(),
                      .local_steps = config.parallel.local_steps > 0,
                      .slices = slices_per_step(config.parallel)};
  train_executor_ = std::make_unique<Executor>(parts, data.train);
  parts.optimizer = nullptr;
  parts.ledger = nullptr;
  parts.slow = nullptr;
  parts.local_steps = false;
  test_executor_ = std::make_unique<Executor>(parts, data.test);
}

BatchSequence Session::batches(std::int64_t epoch) const {
  return {order_(epoch),
          config_.batch,
          topology_.replicas,
          topology_.replica_of(rank()),
          slices_per_step(config_.parallel),
          config_.parallel.local_steps};
}

/// The program depends only on which micro-batches hold samples and on whether replicas average. The programs
/// of all ranks are checked against each other the first time such a pattern comes up.
const Program& Session::program_for(const StepBatch& batch) {
  std::vector<bool> pattern;
  for (const auto& indices : batch.micro_batches) pattern.push_back(!indices.empty());
  pattern.push_back(batch.average);
  const auto known = programs_.find(pattern);
  if (known != programs_.end()) return known->second;

  std::vector<Program> programs;
  for (int r = 0; r < topology_.ranks(); ++r) {
    const auto replica = static_cast<std::size_t>(topology_.replica_of(r));
    const std::vector<std::int64_t> sizes =
        slice_sizes(batch.replica_samples[replica], slices_per_step(config_.parallel));
    const StepShape shape{
        .micro_batch_samples = sizes, .buckets = static_cast<int>(buckets_.size()), .average = batch.average};
    programs.push_back(training_step(config_.parallel, topology_, r, shape));
  }
  check_programs(programs, topology_, /*training=*/true);
  return programs_[pattern] = programs[static_cast<std::size_t>(rank())];
}

void Session::prepare(const StepBatch& batch) {
  if (batch.samples > 0) train_executor_->prepare(program_for(batch), batch.micro_batches);
}

StepOutcome Session::train_step(const StepBatch& batch, const StepState& state) {
  device_changed();
  return train_executor_->run(program_for(batch), batch, state);
}

std::vector<StepOutcome> Session::train_steps(std::span<const StepBatch> batches,
                                              std::span<const StepState> states,
                                              const std::function<void(std::int64_t)>& on_step) {
  device_changed();
  return train_executor_->run_steps(program_of(), batches, states, on_step);
}

std::vector<StepOutcome> Session::retrace(std::span<const StepBatch> batches,
                                          std::span<const StepState> states) {
  device_changed();
  return train_executor_->retrace(program_of(), batches, states);
}

Executor::ProgramOf Session::program_of() {
  return [this](const StepBatch& batch) -> const Program& { return program_for(batch); };
}

/// Where memory is short half of kEvaluationBatch, or a quarter, ...: as many as every rank has room for,
/// since stages hand each other whole batches.
std::int64_t Session::evaluation_batch() {
  if (evaluation_batch_ > 0) return evaluation_batch_;
  const std::int64_t share = (data_.test.samples + topology_.replicas - 1) / topology_.replicas;
  const std::int64_t wanted = std::min(kEvaluationBatch, share);
  std::vector<std::int64_t> mine{test_executor_->largest_fitting(wanted)};
  std::vector<std::int64_t> of_every_rank(static_cast<std::size_t>(topology_.ranks()));
  communicator_.all_gather(view_of(std::span(mine)), view_of(std::span(of_every_rank)), *stream_);
  const std::int64_t least = *std::min_element(of_every_rank.begin(), of_every_rank.end());
  return evaluation_batch_ = std::max<std::int64_t>(1, least);  // not even one: its compilation says so
}

Evaluation Session::evaluate() {
  std::string not_finite;  // what this rank saw first
  const Program program = inference_step(topology_, rank());
  const std::int64_t total = data_.test.samples;
  const int replica = topology_.replica_of(rank());
  Timeline training = timeline_;  // what evaluation records is not part of training
  std::vector<double> sums(3, 0.0);
  StepBatch batch;
  batch.micro_batches.resize(1);
  std::vector<std::int64_t>& samples = batch.micro_batches.front();
  const std::int64_t share = (total - replica + topology_.replicas - 1) / topology_.replicas;
  const std::int64_t at_once = evaluation_batch();
  for (std::int64_t first = 0; first < share; first += at_once) {
    samples.clear();
    const std::int64_t end = std::min(first + at_once, share);
    for (std::int64_t i = first; i < end; ++i) samples.push_back(i * topology_.replicas + replica);
    batch.samples = end - first;
    const StepOutcome outcome = test_executor_->run(program, batch, {});
    if (not_finite.empty()) not_finite = outcome.not_finite;
    if (!topology_.is_last_stage(rank())) continue;
    sums[0] += outcome.loss_sum;
    sums[1] += static_cast<double>(outcome.correct);
    sums[2] += static_cast<double>(samples.size());
  }
  communicator_.all_reduce(view_of(std::span(sums)), *stream_);
  timeline_ = std::move(training);
  if (!std::isfinite(sums[0])) throw not_finite_loss(gather_texts(communicator_, *stream_, not_finite));
  DML_ASSERT(sums[2] == static_cast<double>(total), "every test sample is evaluated exactly once");
  return {sums[0] / sums[2], sums[1] / sums[2], total};
}

std::vector<NamedTensor> Session::tensors_over(View arena) const {
  std::vector<NamedTensor> tensors;
  for (const ParameterTensor& tensor : layout_.tensors()) {
    tensors.push_back({tensor.name, tensor.shape, arena.slice(tensor.offset, tensor.elements)});
  }
  return tensors;
}

std::vector<NamedTensor> Session::weights() {
  return tensors_over(values_.host());
}

std::vector<std::vector<NamedTensor>> Session::optimizer_state() {
  std::vector<std::vector<NamedTensor>> slots;
  for (int slot = 0; slot < optimizer_state_slots(config_.optimizer); ++slot) {
    slots.push_back(
        tensors_over(optimizer_state_.host().slice(slot * layout_.elements(), layout_.elements())));
  }
  return slots;
}

void Session::check_weights() {
  const std::vector<NamedTensor> tensors = weights();
  for (const NamedTensor& tensor : tensors) {
    const auto all_finite = [](const auto& values) {
      return std::all_of(values.begin(), values.end(), [](auto value) { return std::isfinite(value); });
    };
    const bool finite = tensor.values.dtype == DType::f64 ? all_finite(tensor.values.as<double>())
                                                          : all_finite(tensor.values.as<float>());
    if (finite) continue;
    throw NegativeResult("the last update left a NaN or an infinity in " + tensor.name +
                         ". These weights are of no use; lower --lr");
  }
}

void Session::gather_parameters() {
  for (int s = 0; s < topology_.stage_count() && topology_.stage_count() > 1; ++s) {
    const Stage& stage = topology_.stages[static_cast<std::size_t>(s)];
    const ParameterRange range = layout_.range(stage.first_layer, stage.last_layer);
    communicator_.broadcast(values_.values().slice(range.first, range.count), s, *stream_);
    for (int slot = 0; slot < optimizer_state_slots(config_.optimizer); ++slot) {
      const std::int64_t first = slot * layout_.elements() + range.first;
      communicator_.broadcast(optimizer_state_.values().slice(first, range.count), s, *stream_);
    }
  }
  device_changed();
  ++parameters_.version;
}

void Session::broadcast_parameters() {
  parameters_changed();  // what was written on rank 0
  communicator_.broadcast(values_.values(), 0, *stream_);
  communicator_.broadcast(optimizer_state_.values(), 0, *stream_);
  device_changed();
  ++parameters_.version;
}

void Session::parameters_changed() {
  values_.upload();
  optimizer_state_.upload();
  ++parameters_.version;
}

/// Kernels or peers have written the arenas, or are about to.
void Session::device_changed() {
  values_.device_changed();
  optimizer_state_.device_changed();
}

}  // namespace dml
