#include "kernels/cuda/device_optimizer.h"

#include <cmath>
#include <string>

#include "kernels/cuda/mapped_values.h"
#include "kernels/cuda/optimizer_kernels.h"

namespace dml::DML_DEVICE {
namespace {

float* floats(View view) {
  return static_cast<float*>(view.data);
}

class DeviceOptimizer final : public Optimizer {
 public:
  DeviceOptimizer(Device& device, const OptimizerOptions& options, ParameterBinding& parameters, View state,
                  std::int64_t first, std::int64_t count)
      : options_(options),
        parameters_(parameters),
        steps_(device, 1, "the scalars of an update"),
        cursor_(device, 1, "the cursor") {
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
    problem_.cursor = cursor_.on_device();
    DeviceStream setup(device);
    cursor_.host()[0] = 0;
    cursor_.upload(setup);
    setup.synchronize();
  }

  void run(const StepState& state, Stream& stream) override {
    DML_ASSERT(state.samples > 0, "an update over no samples");
    auto& queue = static_cast<DeviceStream&>(stream);
    steps_.host()[0] = scalars(state);
    steps_.upload(queue);
    if (options_.rule == OptimizerOptions::Rule::adam) {
      adam_update(options_, problem_, queue);
    } else {
      sgd_update(options_, problem_, queue);
    }
    ++parameters_.version;
  }

 private:
  [[nodiscard]] StepScalars scalars(const StepState& state) const {
    const auto update = static_cast<double>(state.step + 1);
    return {.inverse_samples = static_cast<float>(1.0 / static_cast<double>(state.samples)),
            .learning_rate = static_cast<float>(state.learning_rate),
            .adam_rate = static_cast<float>(state.learning_rate / (1 - std::pow(options_.beta1, update))),
            .adam_root_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(options_.beta2, update)))};
  }

  OptimizerOptions options_;
  ParameterBinding& parameters_;
  OptimizerProblem problem_;
  MappedValues<StepScalars> steps_;
  MappedValues<std::int32_t> cursor_;
};

}  // namespace

std::unique_ptr<Optimizer> make_device_optimizer(Device& device, const OptimizerOptions& options,
                                                 ParameterBinding& parameters, View state, std::int64_t first,
                                                 std::int64_t count) {
  return std::make_unique<DeviceOptimizer>(device, options, parameters, state, first, count);
}

}  // namespace dml::DML_DEVICE
