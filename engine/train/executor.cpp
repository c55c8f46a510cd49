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
      training_(parts.optimizer != nullptr),
      slowness_(parts.slow, parts.rank) {
  if (may_loop()) {  // before the executables, which take what is left
    start_values_ = parts_.backend.allocate(parts_.parameters.values.elements, "a copy of the parameters");
    start_state_ = parts_.backend.allocate(parts_.optimizer_state.elements, "a copy of the optimizer state");
  }
  if (parts_.aggregate != Aggregate::allgather || parts_.topology.replicas == 1) return;
  std::int64_t largest = 0;
  for (const ParameterRange& bucket : parts_.buckets) largest = std::max(largest, bucket.count);
  gathered_ =
      parts_.backend.allocate(largest * parts_.topology.replicas, "all ranks' copies of a gradient bucket");
}

std::unique_ptr<Executable> Executor::compile(std::int64_t samples) {
  const std::vector<Operation> operations =
      lower(parts_.model, parts_.layout, parts_.topology.stage(parts_.rank), samples, normalization_);
  const CompileOptions options{.training = training_,
                               .input_gradient = training_ && !parts_.topology.is_first_stage(parts_.rank),
                               .kernels = parts_.kernels,
                               .window = may_loop() ? kLargestWindow : 1};
  return parts_.backend.compile(operations, parts_.parameters, data_, options);
}

Executable& Executor::executable(int slot, std::int64_t samples) {
  const auto known = executables_.find({slot, samples});
  if (known != executables_.end()) return *known->second;
  try {
    return *executables_.emplace(std::pair(slot, samples), compile(samples)).first->second;
  } catch (const OutOfMemoryError& error) {
    say_what_fits(error, samples);
  }
}

std::int64_t Executor::largest_fitting(std::int64_t samples) {
  for (; samples > 0; samples /= 2) {
    if (executables_.contains({0, samples})) break;
    try {
      executables_.emplace(std::pair(0, samples), compile(samples));
      break;
    } catch (const OutOfMemoryError&) {  // NOLINT: half of them, then
    }
  }
  return samples;
}

/// What fits is found by trying.
void Executor::say_what_fits(const OutOfMemoryError& error, std::int64_t samples) {
  const std::string what = std::to_string(samples) + " samples at a time: " + error.what() + ". ";
  const std::int64_t fewer = largest_fitting(samples / 2);
  if (fewer == 0) {
    const std::string advice = training_ ? "" : "; training with a smaller --batch leaves more room";
    throw OutOfMemoryError(what + "Not even one fits beside what is there already" + advice);
  }
  const std::int64_t batch = fewer * parts_.topology.replicas * parts_.slices;
  throw OutOfMemoryError(what + std::to_string(fewer) + " at a time fit: --batch " + std::to_string(batch) +
                         ", or the same batch in more slices (--accumulate, --micro-batches)");
}

void Executor::prepare(const Program& program, std::span<const std::vector<std::int64_t>> micro_batches) {
  for (const Action& action : program) {
    if (action.verb != Verb::forward) continue;
    executable(action.slot,
               static_cast<std::int64_t>(micro_batches[static_cast<std::size_t>(action.micro_batch)].size()));
  }
}

/// This rank's samples over an equal share of them.
double Executor::load_of(const StepBatch& batch) const {
  if (batch.samples == 0 || batch.replica_samples.empty()) return 1;
  const auto replica = static_cast<std::size_t>(parts_.topology.replica_of(parts_.rank));
  return static_cast<double>(batch.replica_samples[replica] * parts_.topology.replicas) /
         static_cast<double>(batch.samples);
}

/// With local steps replicas update by their own samples alone, which are counted until the next average.
StepState Executor::own_state(const StepBatch& batch, const StepState& state) {
  if (!parts_.local_steps) return state;
  StepState own = state;
  own.samples = batch.replica_samples[static_cast<std::size_t>(parts_.topology.replica_of(parts_.rank))];
  since_average_.own += own.samples;
  since_average_.all += batch.samples;
  return own;
}

StepOutcome Executor::run(const Program& program, const StepBatch& batch, const StepState& step_state) {
  StepOutcome outcome;
  if (batch.samples == 0 && !batch.average) return outcome;  // on every rank alike
  const StepState state = own_state(batch, step_state);
  const Action* current = nullptr;
  parts_.timeline.begin_step(state.step, load_of(batch));
  const auto samples_of = [&](const Action& action) -> const std::vector<std::int64_t>& {
    return batch.micro_batches[static_cast<std::size_t>(action.micro_batch)];
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
        case Verb::reduce_gradients: {
          const ParameterRange& bucket = parts_.buckets[static_cast<std::size_t>(action.bucket)];
          combine(parts_.parameters.gradients.slice(bucket.first, bucket.count));
          break;
        }
        case Verb::average_parameters:
          average(parts_.buckets[static_cast<std::size_t>(action.bucket)]);
          break;
        case Verb::send_activation:
          finish_compute();
          check_output(stage_of(action), outcome);
          communicate(action, stage_of(action));
          break;
        case Verb::receive_activation:
        case Verb::receive_gradient:
        case Verb::send_gradient:
          communicate(action, stage_of(action));
          break;
        case Verb::update:
          update(state);
          break;
      }
    }
    if (batch.average) since_average_ = {};
  } catch (const PeerError& error) {
    throw PeerError("step " + std::to_string(state.step) + ", " + to_string(*current) + ": " + error.what());
  }
  return outcome;
}

void Executor::forward(Executable& stage, const std::vector<std::int64_t>& samples, StepOutcome& outcome) {
  const std::int64_t start = monotonic_ns();
  const std::span<std::int64_t> indices = stage.sample_indices();
  if (!indices.empty()) std::copy(samples.begin(), samples.end(), indices.begin());
  if (parts_.ledger != nullptr && parts_.topology.is_first_stage(parts_.rank)) {
    parts_.ledger->consume(samples);
  }
  stage.run(Phase::forward, parts_.stream);
  if (parts_.topology.is_last_stage(parts_.rank)) {
    const LossResult loss = stage.loss();
    outcome.loss_sum += loss.loss_sum;
    outcome.correct += loss.correct;
    if (!std::isfinite(loss.loss_sum) && outcome.not_finite.empty())
      outcome.not_finite = not_finite_in(stage);
  }
  finish_phase();
  slowness_.after(StepPhase::forward, monotonic_ns() - start);
  parts_.timeline.add_phase(StepPhase::forward, start, monotonic_ns());
}

void Executor::backward(Executable& stage, Phase phase) {
  const std::int64_t start = monotonic_ns();
  stage.run(phase, parts_.stream);
  finish_phase();
  slowness_.after(StepPhase::backward, monotonic_ns() - start);
  parts_.timeline.add_phase(StepPhase::backward, start, monotonic_ns());
}

void Executor::update(const StepState& state) {
  const std::int64_t start = monotonic_ns();
  parts_.optimizer->run(state, parts_.stream);
  finish_phase();
  parts_.timeline.add_phase(StepPhase::update, start, monotonic_ns());
}

/// Where a rank is slowed down, phases are what they take, and not what enqueuing them takes.
void Executor::finish_phase() {
  if (parts_.slow != nullptr) parts_.stream.synchronize();
}

void Executor::clear_gradients() {
  const Stage& stage = parts_.topology.stage(parts_.rank);
  const ParameterRange range = parts_.layout.range(stage.first_layer, stage.last_layer);
  parts_.stream.clear(parts_.parameters.gradients.slice(range.first, range.count));
}

/// What is communicated has to be there: on a device, work that was enqueued is waited for, and is compute.
void Executor::finish_compute() {
  if (parts_.backend.memory() == Memory::host) return;
  const std::int64_t start = monotonic_ns();
  parts_.stream.synchronize();
  parts_.timeline.add_compute("device", start, monotonic_ns());
}

/// Some communicators only enqueue; what a device waits for its peers is not compute.
void Executor::finish_communication() {
  if (parts_.backend.memory() == Memory::device) parts_.stream.synchronize();
}

/// Returns when the communication begins.
std::int64_t Executor::prepare_communication() {
  finish_compute();
  const std::int64_t start = monotonic_ns();
  slowness_.after(StepPhase::communicate, 0);
  const std::int64_t end = monotonic_ns();
  parts_.timeline.add_preparation(start, end);
  return end;
}

/// values = their sum over the replicas.
void Executor::combine(View values) {
  CommunicationRecord record{.kind = CommunicationRecord::Kind::collective,
                             .start_ns = prepare_communication()};
  const std::optional<std::int64_t> sent = parts_.communicator.bytes_sent();
  exchange(values);
  finish_communication();
  record.end_ns = monotonic_ns();
  parts_.timeline.add_bytes(sent, parts_.communicator.bytes_sent());
  parts_.timeline.add_communication(aggregate_name(), record);
  if (parts_.aggregate == Aggregate::allreduce) return;
  add_up(values);
  parts_.timeline.add_compute("sum", record.end_ns, monotonic_ns());
}

/// By all_reduce the values are summed already; by all_gather add_up() is still to come.
void Executor::exchange(View values) {
  if (parts_.aggregate == Aggregate::allreduce) {
    parts_.communicator.all_reduce(values, parts_.stream);
  } else {
    parts_.communicator.all_gather(values, copies_of(values), parts_.stream);
  }
}

void Executor::add_up(View values) {
  parts_.backend.sum_copies(copies_of(values), values, parts_.stream);
}

const char* Executor::aggregate_name() const {
  return parts_.aggregate == Aggregate::allreduce ? "all_reduce" : "all_gather";
}

CommunicationRecord::Kind Executor::kind_of(Verb verb) {
  if (is_send(verb)) return CommunicationRecord::Kind::send;
  if (is_receive(verb)) return CommunicationRecord::Kind::receive;
  return CommunicationRecord::Kind::collective;
}

/// Of a communication, in the trace.
const char* Executor::name_of(Verb verb) const {
  switch (kind_of(verb)) {
    case CommunicationRecord::Kind::send:
      return "send";
    case CommunicationRecord::Kind::receive:
      return "recv";
    case CommunicationRecord::Kind::collective:
      break;
  }
  return aggregate_name();
}

/// Where all ranks' copies of `values` are gathered.
View Executor::copies_of(View values) const {
  return gathered_.view.slice(0, values.elements * parts_.topology.replicas);
}

/// Weights and optimizer state become their means over the replicas, weighted by samples.
void Executor::average(const ParameterRange& bucket) {
  if (since_average_.all == 0) return;  // nobody has moved
  const double weight = static_cast<double>(since_average_.own) / static_cast<double>(since_average_.all);
  const std::int64_t arena = parts_.parameters.values.elements;
  std::vector<View> values = {parts_.parameters.values.slice(bucket.first, bucket.count)};
  for (std::int64_t slot = 0; slot * arena < parts_.optimizer_state.elements; ++slot) {
    values.push_back(parts_.optimizer_state.slice(slot * arena + bucket.first, bucket.count));
  }
  for (const View& view : values) {
    const std::int64_t start = monotonic_ns();
    parts_.backend.scale(view, weight, parts_.stream);
    parts_.timeline.add_compute("scale", start, monotonic_ns());
    combine(view);
  }
  ++parts_.parameters.version;
}

void Executor::communicate(const Action& action, Executable& stage) {
  CommunicationRecord record{
      .kind = kind_of(action.verb), .peer = action.peer, .start_ns = prepare_communication()};
  const std::optional<std::int64_t> sent = parts_.communicator.bytes_sent();
  pass(action, stage);
  finish_communication();
  record.end_ns = monotonic_ns();
  parts_.timeline.add_bytes(sent, parts_.communicator.bytes_sent());
  parts_.timeline.add_communication(name_of(action.verb), record);
}

/// Sends or receives what the action names.
void Executor::pass(const Action& action, Executable& stage) {
  const View message = message_of(action, stage);
  if (is_send(action.verb)) {
    parts_.communicator.send(message, action.peer, parts_.stream);
  } else {
    parts_.communicator.recv(message, action.peer, parts_.stream);
  }
}

View Executor::message_of(const Action& action, Executable& stage) {
  switch (action.verb) {
    case Verb::receive_activation:
      return stage.input();
    case Verb::receive_gradient:
      return stage.output_gradient();
    case Verb::send_activation:
      return stage.output();
    case Verb::send_gradient:
      return stage.input_gradient();
    default:
      throw InternalError("not a message: " + to_string(action));
  }
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
