// The executor's steps without the host in between: programs as loops of the backend.
//
// A loop runs a window of steps on the device alone, messages between ranks included where the communicator
// only enqueues them. Times come from the device's clock, losses when the window is over. By then a value
// that is not finite has spread, so that each window begins with a copy of weights and optimizer state, from
// which it can be run again step by step to find the layer.
#include <algorithm>

#include "engine/train/executor.h"

namespace dml {
namespace {

/// How many actions at the front go together: a send and the receive behind it, which need not wait for each
/// other.
std::size_t count_together(std::span<const Action> actions) {
  const bool exchanges = actions.size() > 1 && is_send(actions[0].verb) && is_receive(actions[1].verb);
  return exchanges ? 2 : 1;
}

}  // namespace

/// What slows a rank down, and what divides the time of its phases, is the host's.
bool Executor::may_loop() const {
  const bool on_device = parts_.backend.memory() == Memory::device;
  const bool alone = parts_.topology.ranks() == 1;
  return training_ && on_device && parts_.slow == nullptr &&
         (alone || parts_.communicator.is_stream_ordered());
}

std::vector<StepOutcome> Executor::run_steps(const ProgramOf& program_of, std::span<const StepBatch> batches,
                                             std::span<const StepState> states,
                                             const std::function<void(std::int64_t)>& on_step) {
  if (may_loop()) keep_start();
  std::vector<StepOutcome> outcomes;
  for (std::size_t first = 0; first < batches.size();) {
    const Program& program = program_of(batches[first]);
    Loop* const loop =
        may_loop() && batches[first].samples > 0 ? &loop_for(program, batches[first]) : nullptr;
    std::size_t last = first + 1;  // one past the steps that go together
    on_step(states[first].step);
    if (loop == nullptr || !loop->steps) {
      outcomes.push_back(run(program, batches[first], states[first]));
      first = last;
      continue;
    }
    const auto longest = static_cast<std::size_t>(loop->steps->largest_window());
    while (last < batches.size() && last - first < longest && &program_of(batches[last]) == &program &&
           &loop_for(program, batches[last]) == loop) {
      on_step(states[last++].step);
    }
    run_loop(*loop, batches.subspan(first, last - first), states.subspan(first, last - first), outcomes);
    first = last;
  }
  return outcomes;
}

Executor::Loop& Executor::loop_for(const Program& program, const StepBatch& batch) {
  Sizes sizes;
  for (const auto& samples : batch.micro_batches) sizes.push_back(static_cast<std::int64_t>(samples.size()));
  const auto known = loops_.find({&program, sizes});
  if (known != loops_.end()) return known->second;
  return loops_[{&program, sizes}] = make_loop(program, sizes);
}

Executor::Loop Executor::make_loop(const Program& program, const Sizes& sizes) {
  Loop loop;
  std::vector<StepPart> parts;
  for (Actions rest(program); !rest.empty();) {
    const Actions next = rest.first(count_together(rest));
    rest = rest.subspan(next.size());
    const Action& action = next.front();
    if (action.verb == Verb::average_parameters) return {};  // by weights that the host counts
    const std::size_t first = parts.size();
    append_parts(next, sizes, parts);
    if (parts[first].timed) loop.timed.push_back(next);
    const bool reads = action.verb == Verb::forward && !parts[first].executable->sample_indices().empty();
    if (reads) loop.read.push_back(action.micro_batch);
  }
  loop.steps = parts_.backend.make_step_loop(
      parts, *parts_.optimizer, [this](Stream& stream) { parts_.communicator.watch_replay(stream); });
  return loop;
}

/// What one action puts on the stream, or a send and a receive together.
void Executor::append_parts(Actions actions, const Sizes& sizes, std::vector<StepPart>& parts) {
  using Kind = StepPart::Kind;
  const auto stage_of = [&](const Action& one) -> Executable& {
    return executable(one.slot, sizes[static_cast<std::size_t>(one.micro_batch)]);
  };
  const Action& action = actions.front();
  const auto stage = [&]() -> Executable& { return stage_of(action); };
  if (actions.size() == 2) {
    const View sent = message_of(action, stage());
    const View received = message_of(actions[1], stage_of(actions[1]));
    parts.push_back(
        {.enqueue = [this, sent, received, to = action.peer, from = actions[1].peer](
                        Stream& stream) { parts_.communicator.exchange(sent, to, received, from, stream); },
         .timed = true});
    return;
  }
  switch (action.verb) {
    case Verb::forward:
      parts.push_back({.kind = Kind::forward, .executable = &stage()});
      return;
    case Verb::backward:
      parts.push_back({.kind = Kind::backward, .executable = &stage()});
      return;
    case Verb::backward_accumulate:
      parts.push_back({.kind = Kind::backward_accumulate, .executable = &stage()});
      return;
    case Verb::update:
      parts.push_back({.kind = Kind::update});
      return;
    case Verb::clear_gradients:
      parts.push_back({.enqueue = [this](Stream&) { clear_gradients(); }});
      return;
    case Verb::reduce_gradients: {
      const ParameterRange& bucket = parts_.buckets[static_cast<std::size_t>(action.bucket)];
      const View values = parts_.parameters.gradients.slice(bucket.first, bucket.count);
      parts.push_back({.enqueue = [this, values](Stream&) { exchange(values); }, .timed = true});
      if (parts_.aggregate == Aggregate::allgather) {
        parts.push_back({.enqueue = [this, values](Stream&) { add_up(values); }});
      }
      return;
    }
    case Verb::send_activation:
    case Verb::receive_activation:
    case Verb::receive_gradient:
    case Verb::send_gradient:
      parts.push_back(
          {.enqueue = [this, action, &peer = stage()](Stream&) { pass(action, peer); }, .timed = true});
      return;
    case Verb::average_parameters:
      break;
  }
  throw InternalError("no loop knows " + to_string(action));
}

void Executor::run_loop(Loop& loop, std::span<const StepBatch> batches, std::span<const StepState> states,
                        std::vector<StepOutcome>& outcomes) {
  const std::int64_t start = monotonic_ns();
  loop_samples_.clear();
  std::vector<StepState> own;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    own.push_back(own_state(batches[i], states[i]));
    for (const int micro_batch : loop.read) {
      const auto& indices = batches[i].micro_batches[static_cast<std::size_t>(micro_batch)];
      loop_samples_.insert(loop_samples_.end(), indices.begin(), indices.end());
    }
  }
  if (parts_.ledger != nullptr && parts_.topology.is_first_stage(parts_.rank)) {
    parts_.ledger->consume(loop_samples_);
  }
  StepLoopResult result;
  try {
    result = loop.steps->run(own, loop_samples_, parts_.stream);
  } catch (const PeerError& error) {
    throw PeerError("steps " + std::to_string(states.front().step) + " to " +
                    std::to_string(states.back().step) + ": " + error.what());
  }
  for (const LossResult& loss : result.losses) {
    outcomes.push_back({.loss_sum = loss.loss_sum, .correct = loss.correct, .not_finite = {}});
  }
  if (loop.timed.empty()) {
    parts_.timeline.begin_step(states.front().step);
    parts_.timeline.add_compute("steps", start, monotonic_ns());
  } else {
    record_times(loop, batches, states, result.times);
  }
}

/// Puts the device's times on the host's clock, by the moment at which both knew that all was done: late by
/// what it takes the host to notice. What lies between communications is compute.
void Executor::record_times(const Loop& loop, std::span<const StepBatch> batches,
                            std::span<const StepState> states, std::span<const std::int64_t> times) {
  const std::int64_t offset = monotonic_ns() - times.back();
  const std::size_t per_step = 1 + 2 * loop.timed.size();
  const auto host_time = [&](std::size_t i) { return times[i] + offset; };
  for (std::size_t step = 0; step < states.size(); ++step) {
    parts_.timeline.begin_step(states[step].step, load_of(batches[step]));
    std::size_t at = step * per_step;
    std::int64_t since = host_time(at++);
    for (const Actions actions : loop.timed) {
      const std::int64_t start = host_time(at), end = host_time(at + 1);
      parts_.timeline.add_compute("compute", since, start);
      for (const Action& action : actions) {  // of several the last one is given the time
        const bool is_last = &action == &actions.back();
        parts_.timeline.add_communication(name_of(action.verb), {.kind = kind_of(action.verb),
                                                                 .peer = action.peer,
                                                                 .start_ns = start,
                                                                 .end_ns = is_last ? end : start});
      }
      since = end;
      at += 2;
    }
    parts_.timeline.add_compute("compute", since, host_time(at));
  }
  const std::optional<std::int64_t> sent = parts_.communicator.bytes_sent();
  parts_.timeline.add_bytes(sent, sent);  // libraries that enqueue do not say how much they send
}

void Executor::keep_start() {
  parts_.stream.copy(parts_.parameters.values, start_values_.view);
  parts_.stream.copy(parts_.optimizer_state, start_state_.view);
  start_counts_ = since_average_;
}

std::vector<StepOutcome> Executor::retrace(const ProgramOf& program_of, std::span<const StepBatch> batches,
                                           std::span<const StepState> states) {
  parts_.stream.copy(start_values_.view, parts_.parameters.values);
  parts_.stream.copy(start_state_.view, parts_.optimizer_state);
  ++parts_.parameters.version;
  since_average_ = start_counts_;
  std::vector<StepOutcome> outcomes;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    outcomes.push_back(run(program_of(batches[i]), batches[i], states[i]));
  }
  return outcomes;
}

}  // namespace dml
