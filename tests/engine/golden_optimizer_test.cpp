// The update rules of every backend against torch.optim: five updates with changing gradients and learning
// rates.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/base/backend.h"
#include "kernels/base/buffer.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"
#include "tests/golden/golden_file.h"
#include "tests/kernels/compare.h"

namespace dml::test {
namespace {

OptimizerOptions options_from(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  OptimizerOptions options;
  options.rule = json.at("rule") == "adam" ? OptimizerOptions::Rule::adam : OptimizerOptions::Rule::sgd;
  options.momentum = json.value("momentum", options.momentum);
  options.nesterov = json.value("nesterov", options.nesterov);
  options.weight_decay = json.value("weight_decay", options.weight_decay);
  options.beta1 = json.value("beta1", options.beta1);
  options.beta2 = json.value("beta2", options.beta2);
  options.epsilon = json.value("epsilon", options.epsilon);
  return options;
}

class GoldenOptimizer : public ::testing::TestWithParam<std::string> {
 protected:
  /// Each value may differ by `bound` times the larger of its magnitude and 1.
  void expect_updates(Backend& backend, double bound) {
    const auto start = golden_.values<double>("start");
    const auto gradients = golden_.values<double>("mean_gradients");
    const auto rates = golden_.values<double>("learning_rates");
    const auto expected = golden_.values<double>(GetParam() + "/values");
    const OptimizerOptions options = options_from(golden_.text(GetParam()));
    const auto elements = static_cast<std::int64_t>(start.size());

    HostBuffer values(elements, backend.dtype());
    HostBuffer sums(elements, backend.dtype());
    HostBuffer state(optimizer_state_slots(options) * elements, backend.dtype());
    ParameterBinding parameters;
    parameters.values = values.view();
    parameters.gradients = sums.view();
    write_doubles(start, values.view());
    const auto stream = backend.make_stream();
    const auto optimizer = backend.make_optimizer(options, parameters, state.view(), 0, elements);
    constexpr std::int64_t kSamples = 32;  // a power of two: the gradient sums are exact
    for (std::size_t step = 0; step < rates.size(); ++step) {
      std::vector<double> sum(gradients.begin() + static_cast<std::ptrdiff_t>(step * start.size()),
                              gradients.begin() + static_cast<std::ptrdiff_t>((step + 1) * start.size()));
      for (double& gradient : sum) gradient *= kSamples;
      write_doubles(sum, sums.view());
      const std::uint64_t version = parameters.version;
      optimizer->run({static_cast<std::int64_t>(step), kSamples, rates[step]}, *stream);
      stream->synchronize();
      EXPECT_GT(parameters.version, version) << "packed weights would stay stale";

      const std::vector<double> after = to_doubles(values.view());
      for (std::size_t i = 0; i < start.size(); ++i) {
        const double wanted = expected[step * start.size() + i];
        EXPECT_NEAR(after[i], wanted, bound * std::max(1.0, std::fabs(wanted)))
            << "step " << step << ", element " << i;
      }
    }
  }

 private:
  GoldenFile golden_{"optimizers.safetensors"};
};

TEST_P(GoldenOptimizer, OfTheDoubleReference) {
  const auto backend = make_reference_backend();
  expect_updates(*backend, 1e-14);
}

// A few roundings (6e-8 each) per update, five updates.
TEST_P(GoldenOptimizer, OfTheCpuBackend) {
  const auto backend = make_cpu_backend(1);
  expect_updates(*backend, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Rules, GoldenOptimizer,
                         ::testing::Values("sgd", "sgd-momentum", "sgd-nesterov", "sgd-weight-decay",
                                           "sgd-nesterov-weight-decay", "adam", "adam-weight-decay"),
                         [](const auto& rule) {
                           std::string name = rule.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace dml::test
