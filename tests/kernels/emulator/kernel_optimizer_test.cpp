// The update kernels: the arithmetic that their header states, bit for bit; the CPU's within a bound; any
// alignment of any array; and nothing at all once a loss was not finite.
#include <cmath>

#include "kernels/base/buffer.h"
#include "kernels/cpu/cpu_optimizer.h"
#include "kernels/cuda/optimizer_kernels.h"
#include "tests/kernels/compare.h"
#include "tests/kernels/emulator/device_arrays.h"

namespace dml::test {
namespace {

using Rule = OptimizerOptions::Rule;

const std::vector<OptimizerOptions>& rules() {
  static const std::vector<OptimizerOptions> options = {
      {.rule = Rule::sgd, .momentum = 0},
      {.rule = Rule::sgd, .momentum = 0, .nesterov = true, .weight_decay = 0.1},
      {.rule = Rule::sgd, .momentum = 0.9, .weight_decay = 0.01},
      {.rule = Rule::sgd, .momentum = 0.7, .nesterov = true, .weight_decay = 0.1},
      {.rule = Rule::adam},
      {.rule = Rule::adam, .weight_decay = 0.1, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-2},
  };
  return options;
}

struct Values {
  std::vector<float> w, gradients, m, v;
  bool operator==(const Values&) const = default;
};

Values initial_values(std::size_t count) {
  Values values{random_values(count, 1), random_values(count, 2, 32), random_values(count, 3),
                random_values(count, 4)};
  for (float& second : values.v) second = std::fabs(second);  // a mean of squares
  return values;
}

device::StepScalars scalars(const OptimizerOptions& options, int step) {
  const double rate = 0.05 / (1 + step), update = step + 1;
  return {.inverse_samples = static_cast<float>(1.0 / (32 - step)),
          .learning_rate = static_cast<float>(rate),
          .adam_rate = static_cast<float>(rate / (1 - std::pow(options.beta1, update))),
          .adam_root_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(options.beta2, update)))};
}

/// How far each array begins from a 16-byte boundary, in floats.
struct Leads {
  std::size_t w = 0, gradients = 0, m = 0, v = 0;
};

struct Launch {
  std::uint64_t order = 0;
  int cursor = 0;
  Leads leads = {};
};

/// One update on the device; steps other than the one at the cursor would make everything NaN.
Values update(const OptimizerOptions& options, const Values& values, device::StepScalars now,
              const Launch& how = {}) {
  DeviceUnderTest on(how.order);
  const float nan = std::nanf("");
  std::vector<device::StepScalars> steps(3, {nan, nan, nan, nan});
  steps[static_cast<std::size_t>(how.cursor)] = now;
  DeviceArray<float> w(on, values.w, how.leads.w), gradients(on, values.gradients, how.leads.gradients);
  DeviceArray<float> m(on, values.m, how.leads.m), v(on, values.v, how.leads.v);
  DeviceArray<device::StepScalars> device_steps(on, steps);
  DeviceArray<std::int32_t> cursor(on, std::vector<std::int32_t>{how.cursor});
  const int slots = optimizer_state_slots(options);
  const device::OptimizerProblem problem = {.count = static_cast<std::int64_t>(values.w.size()),
                                            .values = w.data(),
                                            .gradients = gradients.data(),
                                            .slot0 = slots > 0 ? m.data() : nullptr,
                                            .slot1 = slots > 1 ? v.data() : nullptr,
                                            .steps = device_steps.data(),
                                            .cursor = cursor.data()};
  if (options.rule == Rule::adam) {
    device::adam_update(options, problem, on.stream());
  } else {
    device::sgd_update(options, problem, on.stream());
  }
  return {w.values(), gradients.values(), m.values(), v.values()};
}

/// The same in one loop, with the roundings that the kernel promises.
Values expected_update(const OptimizerOptions& options, Values values, const device::StepScalars& now) {
  const auto decay = static_cast<float>(options.weight_decay);
  const auto momentum = static_cast<float>(options.momentum);
  const auto beta1 = static_cast<float>(options.beta1), beta2 = static_cast<float>(options.beta2);
  const auto rest1 = static_cast<float>(1 - options.beta1), rest2 = static_cast<float>(1 - options.beta2);
  for (std::size_t i = 0; i < values.w.size(); ++i) {
    float& w = values.w[i];
    float& m = values.m[i];
    float& v = values.v[i];
    const float g = std::fmaf(decay, w, values.gradients[i] * now.inverse_samples);
    if (options.rule == Rule::adam) {
      m = std::fmaf(beta1, m, rest1 * g);
      v = std::fmaf(beta2, v, rest2 * g * g);
      const float root = std::fmaf(std::sqrt(v), now.adam_root_scale, static_cast<float>(options.epsilon));
      w -= now.adam_rate * m / root;
      continue;
    }
    float direction = g;
    if (options.momentum != 0) {
      m = std::fmaf(momentum, m, g);
      direction = options.nesterov ? std::fmaf(momentum, m, g) : m;
    }
    w = std::fmaf(-now.learning_rate, direction, w);
  }
  return values;
}

std::string name_of(const OptimizerOptions& options) {
  return std::string(options.rule == Rule::adam ? "adam" : "sgd") + ", momentum " +
         std::to_string(options.momentum) + ", weight decay " + std::to_string(options.weight_decay);
}

void expect_same(const Values& actual, const Values& expected) {
  EXPECT_TRUE(same_values(actual.w, expected.w));
  EXPECT_TRUE(same_values(actual.gradients, expected.gradients));
  EXPECT_TRUE(same_values(actual.m, expected.m));
  EXPECT_TRUE(same_values(actual.v, expected.v));
}

TEST(OptimizerKernels, RoundAsTheyPromise) {
  for (const OptimizerOptions& options : rules()) {
    SCOPED_TRACE(name_of(options));
    const Values values = initial_values(1031);
    for (const std::uint64_t order : kOrders) {
      const device::StepScalars now = scalars(options, 1);
      const Values actual = update(options, values, now, {.order = order, .cursor = 2});
      expect_same(actual, expected_update(options, values, now));
      EXPECT_NE(actual.w, values.w) << "nothing was proven";
    }
  }
}

TEST(OptimizerKernels, TakeArraysAtAnyAddressAndOfAnySize) {
  std::vector<Leads> places = {{2, 2, 2, 0}, {0, 1, 2, 3}, {3, 0, 0, 0}, {1, 2, 3, 1}};
  for (std::size_t lead = 0; lead < 4; ++lead) places.push_back({lead, lead, lead, lead});
  for (const OptimizerOptions& options : {rules()[0], rules()[2], rules()[5]}) {
    for (const Leads& leads : places) {
      for (const std::size_t count : {1, 2, 3, 4, 5, 6, 7, 8, 9, 1023, 1026}) {
        SCOPED_TRACE(name_of(options) + ", " + std::to_string(count) + " parameters from " +
                     std::to_string(leads.w) + ", " + std::to_string(leads.v));
        const Values values = initial_values(count);
        const device::StepScalars now = scalars(options, 0);
        expect_same(update(options, values, now, {.leads = leads}), expected_update(options, values, now));
      }
    }
  }
}

TEST(OptimizerKernels, UpdateNoParametersAtAll) {
  for (const OptimizerOptions& options : rules()) {
    const Values nothing;
    expect_same(update(options, nothing, scalars(options, 0)), nothing);
  }
}

TEST(OptimizerKernels, KeepANaNOfTheGradientInItsParameter) {
  for (const OptimizerOptions& options : rules()) {
    SCOPED_TRACE(name_of(options));
    Values values = initial_values(23);
    values.gradients[5] = std::nanf("");
    const Values actual = update(options, values, scalars(options, 0), {.leads = {1, 1, 1, 1}});
    for (std::size_t i = 0; i < actual.w.size(); ++i) {
      EXPECT_EQ(std::isnan(actual.w[i]), i == 5) << "parameter " << i;
    }
  }
}

/// The CPU's kernels may contract other multiply-adds: of at most twenty roundings per update, each on
/// numbers no larger than |w| + |change of w|, none may be missing.
TEST(OptimizerKernels, AgreeWithTheCpu) {
  constexpr int kSteps = 5;
  constexpr std::int64_t kCount = 1031;
  for (const OptimizerOptions& options : rules()) {
    SCOPED_TRACE(name_of(options));
    const int slots = optimizer_state_slots(options);
    const HostBuffer w(kCount, DType::f32), gradients(kCount, DType::f32), state(2 * kCount, DType::f32);
    Values values = initial_values(kCount);
    values.m.assign(kCount, 0);
    values.v.assign(kCount, 0);
    std::ranges::copy(values.w, w.view().as<float>().begin());
    std::ranges::fill(state.view().as<float>(), 0.0F);
    ParameterBinding binding;
    binding.values = w.view();
    binding.gradients = gradients.view();
    const auto cpu =
        cpu::make_cpu_optimizer(1, options, binding, state.view().slice(0, slots * kCount), 0, kCount);
    for (int step = 0; step < kSteps; ++step) {
      values.gradients = random_values(kCount, 10 + static_cast<std::uint32_t>(step), 32);
      std::ranges::copy(values.gradients, gradients.view().as<float>().begin());
      const StepState now{.step = step, .samples = 32 - step, .learning_rate = 0.05 / (1 + step)};
      HostStream stream;
      cpu->run(now, stream);
      values = update(options, values, scalars(options, step));
    }
    Bounded expected(to_doubles(w.view()));
    const double change = 0.05 * kSteps * 10;  // rates of 0.05, directions of 10 at most
    expected.error.assign(
        kCount, kSteps * 20 * unit_roundoff(DType::f32) * (largest_magnitude(expected.value) + change));
    EXPECT_TRUE(within_bound(std::vector<double>(values.w.begin(), values.w.end()), expected, "parameters"));
  }
}

}  // namespace
}  // namespace dml::test
