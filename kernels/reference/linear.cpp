#include "kernels/reference/linear.h"

#include <algorithm>
#include <numeric>

namespace dml::reference {
namespace {

constexpr std::string_view kName = "linear_reference";

class LinearKernel final : public Kernel {
 public:
  LinearKernel(const Operation& operation, const Linear& work, Context& context, Activation output)
      : Kernel(operation.layer, kernel_description(kName, operation), output.values),
        shape_(work.shape),
        parameters_(context.parameters, work.weight_offset, work.shape.weight_elements(), work.bias_offset,
                    work.shape.K),
        x_(context.last),
        y_(output) {}

  void forward() override {
    const auto [N, C, K] = shape_;
    const double* weight = parameters_.weight().data();
    const double* bias = parameters_.bias().data();
    for (std::int64_t n = 0; n < N; ++n) {
      const double* x = x_.values.data() + n * C;
      double* y = y_.values.data() + n * K;
      for (std::int64_t k = 0; k < K; ++k) y[k] = std::inner_product(x, x + C, weight + k * C, bias[k]);
    }
  }

  void backward(bool accumulate) override {
    if (!accumulate) parameters_.clear_gradients();
    std::ranges::fill(x_.gradient, 0.0);
    const auto [N, C, K] = shape_;
    const double* weight = parameters_.weight().data();
    double* weight_gradient = parameters_.weight_gradient().data();
    double* bias_gradient = parameters_.bias_gradient().data();
    for (std::int64_t n = 0; n < N; ++n) {
      const double* x = x_.values.data() + n * C;
      const double* dy = y_.gradient.data() + n * K;
      for (std::int64_t k = 0; k < K; ++k) {
        bias_gradient[k] += dy[k];
        double* dw = weight_gradient + k * C;
        for (std::int64_t c = 0; c < C; ++c) dw[c] += dy[k] * x[c];
        if (x_.gradient.empty()) continue;
        double* dx = x_.gradient.data() + n * C;
        for (std::int64_t c = 0; c < C; ++c) dx[c] += dy[k] * weight[k * C + c];
      }
    }
  }

 private:
  LinearShape shape_;
  LayerParameters parameters_;
  Activation x_, y_;
};

std::unique_ptr<Kernel> make(std::span<const Operation> operations, Context& context) {
  const auto& work = std::get<Linear>(operations.front().work);
  const Activation output = context.allocate(work.shape.output_elements(), true);
  auto kernel = std::make_unique<LinearKernel>(operations.front(), work, context, output);
  context.last = output;
  return kernel;
}

}  // namespace

Candidate linear() {
  return {kName, claims_one<Linear>, make};
}

}  // namespace dml::reference
