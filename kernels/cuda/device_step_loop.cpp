#include "kernels/cuda/device_step_loop.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "kernels/cuda/pointwise.h"

namespace dml::DML_DEVICE {
namespace {

using Kind = StepPart::Kind;

constexpr std::size_t kStepsPerGraph = 16;

/// A part and where in the windows of its step it reads and writes.
struct PlacedPart {
  StepPart part;
  DeviceExecutable* executable = nullptr;
  std::size_t place = 0;
  bool begins_place = false;  ///< the cursor goes on before it
};

/// Gives each forward pass the place in progress, or the next one where its executable has used that already.
/// Empty when a backward pass does not find its forward pass there.
std::vector<PlacedPart> place(const std::vector<StepPart>& parts) {
  std::vector<PlacedPart> placed;
  std::map<const Executable*, std::size_t> last;  // place of its last forward pass
  std::size_t place = 0;
  for (const StepPart& part : parts) {
    PlacedPart next{.part = part};
    if (next.part.executable != nullptr) {
      next.executable = dynamic_cast<DeviceExecutable*>(next.part.executable);
      if (next.executable == nullptr) return {};  // one without samples
      const auto known = last.find(next.executable);
      if (next.part.kind == Kind::forward) {
        next.begins_place = known != last.end() && known->second == place;
        if (next.begins_place) ++place;
        last[next.executable] = place;
      } else if (known == last.end() || known->second != place) {
        return {};
      }
    }
    next.place = place;
    placed.push_back(std::move(next));
  }
  return placed;
}

class DeviceStepLoop final : public StepLoop {
 public:
  DeviceStepLoop(Device& device, std::vector<PlacedPart> parts, DeviceOptimizer& optimizer,
                 StepLoopOptions options)
      : parts_(std::move(parts)), optimizer_(optimizer), options_(std::move(options)) {
    places_ = parts_.back().place + 1;
    const auto timed = std::ranges::count_if(parts_, [](const PlacedPart& part) { return part.part.timed; });
    columns_ = timed > 0 ? 1 + 2 * timed : 0;
    if (timed > 0) times_.emplace(device, (kLargestWindow + 1) * columns_, "the times of steps");
    for (const PlacedPart& part : parts_) {
      if (part.executable == nullptr) continue;
      if (part.executable->indices() != nullptr) readers_.insert(part.executable);
      if (part.executable->losses() != nullptr) judges_.insert(part.executable);
    }
  }

  [[nodiscard]] std::int64_t largest_window() const override {
    return kLargestWindow / static_cast<std::int64_t>(places_);
  }

  StepLoopResult run(std::span<const StepState> steps, std::span<const std::int64_t> samples,
                     Stream& stream) override {
    auto& queue = static_cast<DeviceStream&>(stream);
    DML_ASSERT(static_cast<std::int64_t>(steps.size()) <= largest_window(),
               "more steps than the window has room for");
    upload(steps, samples, queue);
    enqueue_steps(steps.size(), queue);
    const std::size_t places = steps.size() * places_;
    for (DeviceExecutable* const judge : judges_) judge->losses()->download(queue, places);
    if (times_) {
      note_time(options_.cursor.on_device(), columns_, 0, times_->on_device(), queue);
      times_->download(queue, (places + 1) * static_cast<std::size_t>(columns_));
    }
    options_.cursor.upload(queue);  // back to 0
    optimizer_.parameters_changed(steps.size());
    return results(steps.size());
  }

 private:
  void upload(std::span<const StepState> steps, std::span<const std::int64_t> samples, DeviceStream& queue) {
    std::map<const DeviceExecutable*, std::span<std::int64_t>> indices;
    for (DeviceExecutable* const reader : readers_) indices[reader] = reader->indices()->host();
    std::size_t taken = 0;
    for (std::size_t step = 0; step < steps.size(); ++step) {
      for (const PlacedPart& part : parts_) {
        if (part.part.kind != Kind::forward || !readers_.contains(part.executable)) continue;
        const auto count = static_cast<std::size_t>(part.executable->samples());
        DML_ASSERT(taken + count <= samples.size(), "fewer sample indices than the steps read");
        const std::span<const std::int64_t> chosen = samples.subspan(taken, count);
        part.executable->check_samples(chosen);
        std::ranges::copy(chosen, indices[part.executable].begin() +
                                      static_cast<std::ptrdiff_t>((step * places_ + part.place) * count));
        taken += count;
      }
    }
    DML_ASSERT(taken == samples.size(), "more sample indices than the steps read");
    for (DeviceExecutable* const reader : readers_) {
      const auto count = static_cast<std::size_t>(reader->samples());
      reader->indices()->upload(queue, steps.size() * places_ * count);
    }
    std::vector<StepState> states;  // of each place: the update finds its own at whichever it is
    for (const StepState& state : steps) states.insert(states.end(), places_, state);
    optimizer_.upload(states, queue);
  }

  void enqueue_step(DeviceStream& queue) {
    std::int64_t column = 0;
    const auto note = [&] {
      if (times_) note_time(options_.cursor.on_device(), columns_, column++, times_->on_device(), queue);
    };
    note();
    for (const PlacedPart& part : parts_) {
      if (part.begins_place) advance_cursor(options_.cursor.on_device(), queue);
      switch (part.part.kind) {
        case Kind::forward:
          part.executable->enqueue_forward(queue);
          break;
        case Kind::backward:
        case Kind::backward_accumulate:
          part.executable->enqueue_backward(part.part.kind == Kind::backward_accumulate, queue);
          break;
        case Kind::update:
          optimizer_.enqueue_update(queue);
          break;
        case Kind::other:
          if (part.part.timed) note();
          part.part.enqueue(queue);
          if (part.part.timed) note();
          break;
      }
    }
    advance_cursor(options_.cursor.on_device(), queue);
  }

  void enqueue_steps(std::size_t steps, DeviceStream& queue) {
    if (options_.use_graphs && steps > 0 && !has_run_) {  // libraries prepare themselves the first time
      enqueue_step(queue);
      --steps;
      has_run_ = true;
    }
    if (options_.use_graphs) {
      for (; steps >= kStepsPerGraph; steps -= kStepsPerGraph) replay(many_, kStepsPerGraph, queue);
      for (; steps > 0; --steps) replay(one_, 1, queue);
      return;
    }
    for (; steps > 0; --steps) enqueue_step(queue);
  }

  /// Recorded at the first use.
  void replay(std::optional<Graph>& graph, std::size_t steps, DeviceStream& queue) {
    if (!graph) {
      graph.emplace(queue, [&] {
        for (std::size_t step = 0; step < steps; ++step) enqueue_step(queue);
      });
    }
    graph->launch(queue);
    if (options_.replayed) options_.replayed(queue);
  }

  StepLoopResult results(std::size_t steps) {
    StepLoopResult result;
    result.losses.resize(steps);
    for (std::size_t step = 0; step < steps; ++step) {
      for (const PlacedPart& part : parts_) {
        if (part.part.kind != Kind::forward || !judges_.contains(part.executable)) continue;
        const LossSlot& slot = part.executable->losses()->host()[step * places_ + part.place];
        result.losses[step].loss_sum += slot.loss_sum;
        result.losses[step].correct += slot.correct;
      }
    }
    if (!times_) return result;
    const std::span<const std::int64_t> noted = times_->host();
    const auto columns = static_cast<std::size_t>(columns_);
    for (std::size_t step = 0; step < steps; ++step) {
      const std::size_t first = step * places_;
      std::size_t column = 0;
      result.times.push_back(noted[first * columns + column++]);
      for (const PlacedPart& part : parts_) {
        if (!part.part.timed) continue;
        for (int end = 0; end < 2; ++end) {
          result.times.push_back(noted[(first + part.place) * columns + column++]);
        }
      }
    }
    result.times.push_back(noted[steps * places_ * columns]);
    return result;
  }

  std::vector<PlacedPart> parts_;
  DeviceOptimizer& optimizer_;
  StepLoopOptions options_;
  std::size_t places_ = 1;    ///< of a step
  std::int64_t columns_ = 0;  ///< times that a step notes
  std::set<DeviceExecutable*> readers_, judges_;
  std::optional<MappedValues<std::int64_t>> times_;  ///< (places of the window and one more, columns)
  std::optional<Graph> one_, many_;
  bool has_run_ = false;
};

}  // namespace

std::unique_ptr<StepLoop> make_device_step_loop(Device& device, const std::vector<StepPart>& parts,
                                                DeviceOptimizer& optimizer, StepLoopOptions options) {
  std::vector<PlacedPart> placed = place(parts);
  if (placed.empty()) return nullptr;
  return std::make_unique<DeviceStepLoop>(device, std::move(placed), optimizer, std::move(options));
}

}  // namespace dml::DML_DEVICE
