// check_optimizers(): the rules of kernels/base/optimizer.h, written out once more, element by element in
// double.
//
// Bound: every update makes at most twenty roundings on numbers no larger than |w| + |change of w| (SGD), and
// its change is good to a few units relative to the size of its terms; errors of m and v carry over to later
// steps and there are kSteps of them. So |error| <= kSteps * 20 u * (largest |w| + largest |change|) holds
// with room for any order of evaluation, and any wrong coefficient misses it by orders of magnitude (u is
// 6e-8 in fp32).
#include <cmath>
#include <string>

#include "kernels/base/philox.h"
#include "tests/kernels/compare.h"
#include "tests/kernels/operation_testbed.h"

namespace dml::test {
namespace {

constexpr std::int64_t kArena = 1031;
constexpr int kSteps = 6;

struct Range {
  std::int64_t first = 0, count = 0;
};

/// One parameter's history: each rule as kernels/base/optimizer.h states it.
struct Parameter {
  double w = 0, m = 0, v = 0;

  void update(const OptimizerOptions& o, double gradient_sum, const StepState& state) {
    const double g = gradient_sum / static_cast<double>(state.samples) + o.weight_decay * w;
    if (o.rule == OptimizerOptions::Rule::sgd) {
      m = o.momentum * m + g;
      w -= state.learning_rate * (o.nesterov ? g + o.momentum * m : m);
      return;
    }
    const auto t = static_cast<double>(state.step + 1);
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    const double unbiased_m = m / (1 - std::pow(o.beta1, t));
    const double unbiased_v = v / (1 - std::pow(o.beta2, t));
    w -= state.learning_rate * unbiased_m / (std::sqrt(unbiased_v) + o.epsilon);
  }
};

double random_value(std::uint32_t stream, std::uint64_t index) {
  return 2.0 * PhiloxStream(3, RandomUse::synthetic_data, stream).uniform(index) - 1;
}

void check_rule(Backend& backend, const OptimizerOptions& options, Range range, const std::string& name) {
  SCOPED_TRACE(name + ", parameters " + std::to_string(range.first) + " + " + std::to_string(range.count));
  const int slots = optimizer_state_slots(options);
  const auto stream = backend.make_stream();
  const Buffer value_buffer = backend.allocate(kArena, "parameters");
  const Buffer gradient_buffer = backend.allocate(kArena, "gradients");
  const Buffer state_buffer = backend.allocate(slots * kArena, "optimizer state");
  const View values = value_buffer.view, gradients = gradient_buffer.view, state = state_buffer.view;
  std::vector<double> initial(kArena);
  std::vector<Parameter> expected(kArena);
  for (std::size_t i = 0; i < initial.size(); ++i) initial[i] = expected[i].w = random_value(1, i);
  write_doubles(initial, values, *stream);
  ParameterBinding binding;
  binding.values = values;
  binding.gradients = gradients;
  const auto optimizer = backend.make_optimizer(options, binding, state, range.first, range.count);
  for (int step = 0; step < kSteps; ++step) {
    // The learning rate and the samples of an update change from step to step; one short tail included.
    const StepState now{.step = step, .samples = step == 3 ? 5 : 32, .learning_rate = 0.05 / (1 + step)};
    std::vector<double> sums(kArena);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      sums[i] = static_cast<float>(32 * random_value(2 + static_cast<std::uint32_t>(step), i));
      const auto at = static_cast<std::int64_t>(i);
      if (at >= range.first && at < range.first + range.count) expected[i].update(options, sums[i], now);
    }
    write_doubles(sums, gradients, *stream);
    const std::uint64_t version = binding.version;
    optimizer->run(now, *stream);
    stream->synchronize();
    EXPECT_EQ(binding.version, version + 1) << "packed weights would stay stale";
    EXPECT_EQ(to_doubles(gradients, *stream), sums) << "an update reads gradients only";
  }
  const std::vector<double> actual = to_doubles(values, *stream);
  double largest_change = 0;
  Bounded w(std::size_t{kArena});
  for (std::size_t i = 0; i < expected.size(); ++i) {
    w.value[i] = expected[i].w;
    largest_change = std::max(largest_change, std::fabs(expected[i].w - initial[i]));
    const auto at = static_cast<std::int64_t>(i);
    if (at < range.first || at >= range.first + range.count) {
      EXPECT_EQ(actual[i], initial[i]) << "parameter " << i << " is outside the range";
    }
  }
  const double unit = unit_roundoff(backend.dtype()) + unit_roundoff(DType::f64);
  w.error.assign(w.value.size(), kSteps * 20 * unit * (largest_magnitude(w.value) + largest_change));
  EXPECT_TRUE(within_bound(actual, w, "parameters"));
  for (int slot = 0; slot < slots; ++slot) {
    // m and v of a parameter stay where checkpoints look for them, and zero outside the range.
    Bounded kept(std::size_t{kArena});
    for (std::size_t i = 0; i < expected.size(); ++i)
      kept.value[i] = slot == 0 ? expected[i].m : expected[i].v;
    kept.error.assign(kept.value.size(), kSteps * 20 * unit * largest_magnitude(kept.value));
    EXPECT_TRUE(within_bound(to_doubles(state.slice(slot * kArena, kArena), *stream), kept,
                             "state slot " + std::to_string(slot)));
  }
  if (range.count > 0) {
    EXPECT_GT(largest_change, 1e-3) << "nothing was proven";
  }
}

}  // namespace

void check_optimizers(Backend& backend) {
  using Rule = OptimizerOptions::Rule;
  const std::vector<std::pair<std::string, OptimizerOptions>> rules = {
      {"sgd", {.rule = Rule::sgd, .momentum = 0}},
      {"sgd with weight decay", {.rule = Rule::sgd, .momentum = 0, .weight_decay = 0.1}},
      {"momentum", {.rule = Rule::sgd, .momentum = 0.9}},
      {"momentum with weight decay", {.rule = Rule::sgd, .momentum = 0.9, .weight_decay = 0.1}},
      {"nesterov", {.rule = Rule::sgd, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01}},
      {"adam", {.rule = Rule::adam}},
      {"adam with weight decay", {.rule = Rule::adam, .weight_decay = 0.1}},
      {"adam with other coefficients", {.rule = Rule::adam, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-2}},
  };
  for (const auto& [name, options] : rules) {
    for (const Range range : {Range{0, kArena}, Range{17, 502}, Range{kArena - 1, 1}, Range{5, 0}}) {
      check_rule(backend, options, range, name);
    }
  }
}

}  // namespace dml::test
