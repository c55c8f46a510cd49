#include "kernels/cuda/device_step_loop.h"

#include <algorithm>
#include <optional>

#include "kernels/cuda/pointwise.h"

namespace dml::DML_DEVICE {
namespace {

constexpr std::size_t kStepsPerGraph = 16;

class DeviceStepLoop final : public StepLoop {
 public:
  DeviceStepLoop(DeviceExecutable& executable, DeviceOptimizer& optimizer, bool use_graphs)
      : executable_(executable), optimizer_(optimizer), use_graphs_(use_graphs) {}

  std::vector<LossResult> run(std::span<const StepState> steps, std::span<const std::int64_t> samples,
                              Stream& stream) override {
    auto& queue = static_cast<DeviceStream&>(stream);
    DML_ASSERT(samples.size() == steps.size() * static_cast<std::size_t>(executable_.samples()),
               "sample indices for another number of steps");
    executable_.check_samples(samples);
    const std::span<std::int64_t> indices = executable_.indices().host();
    DML_ASSERT(samples.size() <= indices.size(), "more steps than the window has room for");
    std::copy(samples.begin(), samples.end(), indices.begin());
    executable_.indices().upload(queue, samples.size());
    optimizer_.upload(steps, queue);

    enqueue_steps(steps.size(), queue);
    executable_.losses().download(queue, steps.size());
    executable_.cursor().upload(queue);  // back to 0
    optimizer_.parameters_changed(steps.size());

    const std::span<const LossSlot> slots = executable_.losses().host();
    std::vector<LossResult> losses;
    for (const LossSlot& slot : slots.first(steps.size())) losses.push_back({slot.loss_sum, slot.correct});
    return losses;
  }

 private:
  void enqueue_step(DeviceStream& queue) {
    executable_.enqueue_forward(queue);
    executable_.enqueue_backward(false, queue);
    optimizer_.enqueue_update(executable_.cursor().on_device(), executable_.losses().on_device(), queue);
    advance_cursor(executable_.cursor().on_device(), queue);
  }

  void enqueue_steps(std::size_t steps, DeviceStream& queue) {
    if (use_graphs_) {
      for (; steps >= kStepsPerGraph; steps -= kStepsPerGraph)
        graph(many_, kStepsPerGraph, queue).launch(queue);
      for (; steps > 0; --steps) graph(one_, 1, queue).launch(queue);
      return;
    }
    for (; steps > 0; --steps) enqueue_step(queue);
  }

  /// Recorded at the first use.
  const Graph& graph(std::optional<Graph>& graph, std::size_t steps, DeviceStream& queue) {
    if (!graph) {
      graph.emplace(queue, [&] {
        for (std::size_t step = 0; step < steps; ++step) enqueue_step(queue);
      });
    }
    return *graph;
  }

  DeviceExecutable& executable_;
  DeviceOptimizer& optimizer_;
  bool use_graphs_;
  std::optional<Graph> one_, many_;
};

}  // namespace

std::unique_ptr<StepLoop> make_device_step_loop(DeviceExecutable& executable, DeviceOptimizer& optimizer,
                                                bool use_graphs) {
  return std::make_unique<DeviceStepLoop>(executable, optimizer, use_graphs);
}

}  // namespace dml::DML_DEVICE
