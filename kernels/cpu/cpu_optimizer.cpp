#include "kernels/cpu/cpu_optimizer.h"

#include <cmath>
#include <string>

#include "kernels/cpu/simd/kernels.h"
#include "kernels/cpu/threads.h"

namespace dml::cpu {
namespace {

class CpuOptimizer final : public Optimizer {
 public:
  CpuOptimizer(int threads, const OptimizerOptions& options, ParameterBinding& parameters, View state,
               std::int64_t first, std::int64_t count)
      : threads_(threads),
        options_(options),
        parameters_(parameters),
        gradients_(parameters.gradients.slice(first, count).as<float>().data()),
        values_(parameters.values.slice(first, count).as<float>().data()),
        count_(count) {
    const int slots = optimizer_state_slots(options);
    const std::int64_t all = parameters.values.elements;
    DML_ASSERT(state.elements == slots * all, "optimizer state of " + std::to_string(state.elements) +
                                                  " elements for " + std::to_string(slots) + " values of " +
                                                  std::to_string(all) + " parameters");
    if (slots > 0) slot0_ = state.slice(first, count).as<float>().data();
    if (slots > 1) slot1_ = state.slice(all + first, count).as<float>().data();
  }

  void run(const StepState& state, Stream& /*stream*/) override {
    DML_ASSERT(state.samples > 0, "an update over no samples");
    const ThreadScope team(threads_);
    if (options_.rule == OptimizerOptions::Rule::adam) {
      const AdamScalars scalars = adam_scalars(state);
      parallel_chunks(count_, [&](std::int64_t first, std::int64_t count) {
        kernels_.adam(scalars, gradients_ + first, slot0_ + first, slot1_ + first, values_ + first, count);
      });
    } else {
      const SgdScalars scalars = {static_cast<float>(1.0 / static_cast<double>(state.samples)),
                                  static_cast<float>(options_.weight_decay),
                                  static_cast<float>(options_.momentum),
                                  static_cast<float>(state.learning_rate), options_.nesterov};
      parallel_chunks(count_, [&](std::int64_t first, std::int64_t count) {
        kernels_.sgd(scalars, gradients_ + first, slot0_ == nullptr ? nullptr : slot0_ + first,
                     values_ + first, count);
      });
    }
    ++parameters_.version;
  }

 private:
  [[nodiscard]] AdamScalars adam_scalars(const StepState& state) const {
    const auto update = static_cast<double>(state.step + 1);
    const double correction1 = 1 - std::pow(options_.beta1, update);
    const double correction2 = 1 - std::pow(options_.beta2, update);
    return {static_cast<float>(1.0 / static_cast<double>(state.samples)),
            static_cast<float>(options_.weight_decay),
            static_cast<float>(options_.beta1),
            static_cast<float>(options_.beta2),
            static_cast<float>(options_.epsilon),
            static_cast<float>(state.learning_rate / correction1),
            static_cast<float>(1 / std::sqrt(correction2)),
            static_cast<float>(1 - options_.beta1),
            static_cast<float>(1 - options_.beta2)};
  }

  int threads_;
  const SimdKernels& kernels_ = simd_kernels();
  OptimizerOptions options_;
  ParameterBinding& parameters_;
  const float* gradients_;
  float* values_;
  std::int64_t count_;
  float* slot0_ = nullptr;  ///< momentum, or Adam's first moment
  float* slot1_ = nullptr;  ///< Adam's second moment
};

}  // namespace

std::unique_ptr<Optimizer> make_cpu_optimizer(int threads, const OptimizerOptions& options,
                                              ParameterBinding& parameters, View state, std::int64_t first,
                                              std::int64_t count) {
  return std::make_unique<CpuOptimizer>(threads, options, parameters, state, first, count);
}

}  // namespace dml::cpu
