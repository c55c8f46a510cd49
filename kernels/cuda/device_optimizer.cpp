#include "kernels/cuda/device_optimizer.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace dml::DML_DEVICE {
namespace {

float* floats(View view) {
  return static_cast<float*>(view.data);
}

}  // namespace

DeviceOptimizer::DeviceOptimizer(Device& device, const OptimizerOptions& options,
                                 ParameterBinding& parameters, View state, std::int64_t first,
                                 std::int64_t count, std::int64_t window, const std::int32_t* cursor)
    : options_(options), parameters_(parameters), steps_(device, window, "the scalars of updates") {
  const int slots = optimizer_state_slots(options);
  const std::int64_t all = parameters.values.elements;
  DML_ASSERT(state.elements == slots * all, "optimizer state of " + std::to_string(state.elements) +
                                                " elements for " + std::to_string(slots) + " values of " +
                                                std::to_string(all) + " parameters");
  problem_.count = count;
  problem_.values = floats(parameters.values.slice(first, count));
  problem_.gradients = floats(parameters.gradients.slice(first, count));
  if (slots > 0) problem_.slot0 = floats(state.slice(first, count));
  if (slots > 1) problem_.slot1 = floats(state.slice(all + first, count));
  problem_.steps = steps_.on_device();
  problem_.cursor = cursor;
}

void DeviceOptimizer::run(const StepState& state, Stream& stream) {
  auto& queue = static_cast<DeviceStream&>(stream);
  upload({&state, 1}, queue);
  enqueue_update(queue);
  parameters_changed(1);
}

void DeviceOptimizer::upload(std::span<const StepState> steps, DeviceStream& stream) {
  const std::span<StepScalars> scalars_of_steps = steps_.host();
  DML_ASSERT(steps.size() <= scalars_of_steps.size(), "more steps than the window has room for");
  std::transform(steps.begin(), steps.end(), scalars_of_steps.begin(),
                 [this](const StepState& state) { return scalars(state); });
  steps_.upload(stream, steps.size());
}

void DeviceOptimizer::enqueue_update(DeviceStream& stream) {
  if (options_.rule == OptimizerOptions::Rule::adam) {
    adam_update(options_, problem_, stream);
  } else {
    sgd_update(options_, problem_, stream);
  }
}

StepScalars DeviceOptimizer::scalars(const StepState& state) const {
  DML_ASSERT(state.samples > 0, "an update over no samples");
  const auto update = static_cast<double>(state.step + 1);
  return {.inverse_samples = static_cast<float>(1.0 / static_cast<double>(state.samples)),
          .learning_rate = static_cast<float>(state.learning_rate),
          .adam_rate = static_cast<float>(state.learning_rate / (1 - std::pow(options_.beta1, update))),
          .adam_root_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(options_.beta2, update)))};
}

}  // namespace dml::DML_DEVICE
