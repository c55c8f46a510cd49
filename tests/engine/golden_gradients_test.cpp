// The first training step against PyTorch: the loss and every gradient of one batch of Fashion-MNIST.
//
// The golden gradients are PyTorch's in float64, stored as float32. Relative L2 error of a tensor: the double
// reference must reach what storage allows (unit roundoff 6e-8), fp32 the parity bound of 1e-5. PyTorch's own
// float32 error is recorded beside each tensor and reported when a bound is missed.
#include <cmath>
#include <cstdio>
#include <gtest/gtest.h>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"
#include "tests/engine/whole_model.h"
#include "tests/golden/golden_file.h"
#include "tests/kernels/compare.h"

namespace dml::test {
namespace {

/// |actual - expected| / norm, in the 2-norm; infinite when a value is not finite.
double relative_l2(const std::vector<double>& actual, const std::vector<double>& expected, double norm) {
  double squares = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) squares += std::pow(actual[i] - expected[i], 2);
  const double error = std::sqrt(squares) / norm;
  return std::isfinite(error) ? error : INFINITY;
}

double norm_of(const std::vector<double>& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

std::string scientific(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2e", value);
  return text;
}

class GoldenGradients : public ::testing::TestWithParam<std::string> {
 protected:
  /// Runs the first step of the parameter's model and compares loss and gradients.
  void expect_first_step(Backend& backend, double loss_bound, double gradient_bound) {
    const std::string& model = GetParam();
    const auto images = golden_.values<std::uint8_t>(model + "/images");
    const auto labels = golden_.values<std::uint8_t>(model + "/labels");
    const auto batch = static_cast<std::int64_t>(labels.size());
    const auto seed = static_cast<std::uint64_t>(golden_.number(model + "/seed"));
    const DataBinding data{images, labels};
    WholeModel whole(model, backend, data, batch, {golden_.number("mean"), golden_.number("stddev")}, seed);
    std::vector<std::int64_t> samples(labels.size());
    std::iota(samples.begin(), samples.end(), 0);

    const double expected_loss = golden_.scalar(model + "/loss");
    EXPECT_NEAR(whole.compute_gradients(samples), expected_loss, loss_bound * expected_loss);
    for (const ParameterTensor& tensor : whole.layout().tensors()) {
      expect_gradient(model + "/" + tensor.name, to_doubles(whole.gradient(tensor)), batch, gradient_bound);
    }
  }

 private:
  void expect_gradient(const std::string& name, std::vector<double> gradient, std::int64_t batch,
                       double bound) {
    for (double& value : gradient)
      value /= static_cast<double>(batch);  // golden gradients are of the mean loss
    const double norm = golden_.scalar(name + "/norm");
    EXPECT_NEAR(norm_of(gradient), norm, bound * norm) << name;

    std::vector<double> compared = gradient;
    if (golden_.has(name + "/index")) {  // a sample of the elements
      const auto index = golden_.values<std::int32_t>(name + "/index");
      compared.clear();
      for (const std::int32_t i : index) compared.push_back(gradient.at(static_cast<std::size_t>(i)));
    }
    const auto stored = golden_.values<float>(name);
    const std::vector<double> expected(stored.begin(), stored.end());
    ASSERT_EQ(compared.size(), expected.size()) << name;
    const double error = relative_l2(compared, expected, norm_of(expected));
    RecordProperty(name, scientific(error));
    EXPECT_LE(error, bound) << name << ": PyTorch's own float32 error is "
                            << golden_.text(name + "/float32_error");
  }

  GoldenFile golden_{"first_step.safetensors"};
};

TEST_P(GoldenGradients, OfTheDoubleReference) {
  const auto backend = make_reference_backend();
  expect_first_step(*backend, 1e-14, 1e-7);
}

TEST_P(GoldenGradients, OfTheCpuBackendOnOneThread) {
  const auto backend = make_cpu_backend(1);
  expect_first_step(*backend, 1e-6, 1e-5);
}

TEST_P(GoldenGradients, OfTheCpuBackendOnTwoThreads) {
  const auto backend = make_cpu_backend(2);
  expect_first_step(*backend, 1e-6, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenGradients, ::testing::Values("lenet", "mnist-cnn"),
                         [](const auto& model) { return model.param == "lenet" ? "lenet" : "mnist_cnn"; });

}  // namespace
}  // namespace dml::test
