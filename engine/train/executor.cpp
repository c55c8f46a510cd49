#include "engine/train/executor.h"

#include <algorithm>
#include <cmath>

namespace dml {
namespace {

std::string not_finite_in(Executable& stage) {
  const std::string layer = stage.first_non_finite_layer();
  return layer.empty() ? "in the loss" : "first seen in the output of layer " + layer;
}

}  // namespace

Executor::Executor(const ExecutorParts& parts, const Dataset& dataset)
    : parts_(parts),
      data_{dataset.images, dataset.labels},
      normalization_{dataset.mean, dataset.stddev},
      training_(parts.optimizer != nullptr) {
  if (parts_.aggregate != Aggregate::allgather || parts_.topology.replicas == 1) return;
  std::int64_t largest = 0;
  for (const ParameterRange& bucket : parts_.buckets) largest = std::max(largest, bucket.count);
  gathered_ =
      parts_.backend.allocate(largest * parts_.topology.replicas, "all ranks' copies of a gradient bucket");
}

Executable& Executor::executable(int slot, std::int64_t samples) {
  std::unique_ptr<Executable>& entry = executables_[{slot, samples}];
  if (!entry) {
    const std::vector<Operation> operations =
        lower(parts_.model, parts_.layout, parts_.topology.stage(parts_.rank), samples, normalization_);
    const CompileOptions options{.training = training_,
                                 .input_gradient = training_ && !parts_.topology.is_first_stage(parts_.rank)};
    entry = parts_.backend.compile(operations, parts_.parameters, data_, options);
  }
  return *entry;
}

void Executor::prepare(const Program& program, std::span<const std::vector<std::int64_t>> micro_batches) {
  for (const Action& action : program) {
    if (action.verb != Verb::forward) continue;
    executable(action.slot,
               static_cast<std::int64_t>(micro_batches[static_cast<std::size_t>(action.micro_batch)].size()));
  }
}

StepOutcome Executor::run(const Program& program, std::span<const std::vector<std::int64_t>> micro_batches,
                          const StepState& state) {
  StepOutcome outcome;
  const Action* current = nullptr;
  parts_.timeline.begin_step(state.step);
  const auto samples_of = [&](const Action& action) -> const std::vector<std::int64_t>& {
    return micro_batches[static_cast<std::size_t>(action.micro_batch)];
  };
  const auto stage_of = [&](const Action& action) -> Executable& {
    return executable(action.slot, static_cast<std::int64_t>(samples_of(action).size()));
  };
  try {
    for (const Action& action : program) {
      current = &action;
      switch (action.verb) {
        case Verb::clear_gradients:
          clear_gradients();
          break;
        case Verb::forward:
          forward(stage_of(action), samples_of(action), outcome);
          break;
        case Verb::backward:
          backward(stage_of(action), Phase::backward);
          break;
        case Verb::backward_accumulate:
          backward(stage_of(action), Phase::backward_accumulate);
          break;
        case Verb::reduce_gradients:
          reduce(parts_.buckets[static_cast<std::size_t>(action.bucket)]);
          break;
        case Verb::send_activation:
          check_output(stage_of(action), outcome);
          communicate(action, stage_of(action));
          break;
        case Verb::receive_activation:
        case Verb::receive_gradient:
        case Verb::send_gradient:
          communicate(action, stage_of(action));
          break;
        case Verb::update: {
          const std::int64_t start = monotonic_ns();
          parts_.optimizer->run(state, parts_.stream);
          parts_.timeline.add_compute("update", start, monotonic_ns());
          break;
        }
      }
    }
  } catch (const PeerError& error) {
    throw PeerError("step " + std::to_string(state.step) + ", " + to_string(*current) + ": " + error.what());
  }
  return outcome;
}

void Executor::forward(Executable& stage, const std::vector<std::int64_t>& samples, StepOutcome& outcome) {
  const std::int64_t start = monotonic_ns();
  const std::span<std::int64_t> indices = stage.sample_indices();
  if (!indices.empty()) std::copy(samples.begin(), samples.end(), indices.begin());
  stage.run(Phase::forward, parts_.stream);
  if (parts_.topology.is_last_stage(parts_.rank)) {
    const LossResult loss = stage.loss();
    outcome.loss_sum += loss.loss_sum;
    outcome.correct += loss.correct;
    if (!std::isfinite(loss.loss_sum) && outcome.not_finite.empty())
      outcome.not_finite = not_finite_in(stage);
  }
  parts_.timeline.add_compute("forward", start, monotonic_ns());
}

void Executor::backward(Executable& stage, Phase phase) {
  const std::int64_t start = monotonic_ns();
  stage.run(phase, parts_.stream);
  parts_.timeline.add_compute("backward", start, monotonic_ns());
}

void Executor::clear_gradients() {
  const Stage& stage = parts_.topology.stage(parts_.rank);
  const ParameterRange range = parts_.layout.range(stage.first_layer, stage.last_layer);
  parts_.stream.clear(parts_.parameters.gradients.slice(range.first, range.count));
}

void Executor::reduce(const ParameterRange& bucket) {
  const View gradients = parts_.parameters.gradients.slice(bucket.first, bucket.count);
  CommunicationRecord record{.kind = CommunicationRecord::Kind::collective, .start_ns = monotonic_ns()};
  if (parts_.aggregate == Aggregate::allreduce) {
    parts_.communicator.all_reduce(gradients, parts_.stream);
    record.end_ns = monotonic_ns();
    parts_.timeline.add_communication("all_reduce", record);
    return;
  }
  const View copies = gathered_.view.slice(0, bucket.count * parts_.topology.replicas);
  parts_.communicator.all_gather(gradients, copies, parts_.stream);
  record.end_ns = monotonic_ns();
  parts_.timeline.add_communication("all_gather", record);

  parts_.backend.sum_copies(copies, gradients, parts_.stream);
  parts_.timeline.add_compute("sum", record.end_ns, monotonic_ns());
}

void Executor::communicate(const Action& action, Executable& stage) {
  Communicator& peers = parts_.communicator;
  CommunicationRecord record{.peer = action.peer, .start_ns = monotonic_ns()};
  switch (action.verb) {
    case Verb::receive_activation:
      peers.recv(stage.input(), action.peer, parts_.stream);
      break;
    case Verb::receive_gradient:
      peers.recv(stage.output_gradient(), action.peer, parts_.stream);
      break;
    case Verb::send_activation:
      peers.send(stage.output(), action.peer, parts_.stream);
      break;
    case Verb::send_gradient:
      peers.send(stage.input_gradient(), action.peer, parts_.stream);
      break;
    default:
      throw InternalError("not a message: " + to_string(action));
  }
  record.end_ns = monotonic_ns();
  const bool is_send = action.verb == Verb::send_activation || action.verb == Verb::send_gradient;
  record.kind = is_send ? CommunicationRecord::Kind::send : CommunicationRecord::Kind::receive;
  parts_.timeline.add_communication(is_send ? "send" : "recv", record);
}

/// What is not finite here will make the loss so, on another rank; only this one can say in which layer it
/// began.
void Executor::check_output(Executable& stage, StepOutcome& outcome) {
  if (!outcome.not_finite.empty() || stage.output_is_finite()) return;
  outcome.not_finite = not_finite_in(stage);
}

std::string Executor::description() const {
  return executables_.empty() ? "" : executables_.rbegin()->second->description();
}

}  // namespace dml
