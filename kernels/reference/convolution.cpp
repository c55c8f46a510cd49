#include "kernels/reference/convolution.h"

#include <algorithm>
#include <numeric>

namespace dml::reference {
namespace {

constexpr std::string_view kName = "conv2d_reference";

/// The outputs [begin, end) along one axis whose input position, output * stride + offset, lies inside [0,
/// inputs).
struct OutputRange {
  std::int64_t begin = 0, end = 0;
};

OutputRange outputs_inside(std::int64_t outputs, std::int64_t inputs, std::int64_t stride,
                           std::int64_t offset) {
  const std::int64_t begin = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const std::int64_t end = offset >= inputs ? 0 : (inputs - 1 - offset) / stride + 1;
  return {begin, std::min(end, outputs)};
}

class ConvolutionKernel final : public Kernel {
 public:
  ConvolutionKernel(const Operation& operation, const Convolution& work, Context& context, Activation output)
      : Kernel(operation.layer, kernel_description(kName, operation), output.values),
        shape_(work.shape),
        parameters_(context.parameters, work.weight_offset, work.shape.weight_elements(), work.bias_offset,
                    work.shape.K),
        x_(context.last),
        y_(output) {}

  void forward() override {
    const ConvolutionShape& s = shape_;
    const double* weight = parameters_.weight().data();
    const auto bias = parameters_.bias();
    const std::int64_t plane = s.P() * s.Q();
    for (std::int64_t n = 0; n < s.N; ++n) {
      for (std::int64_t k = 0; k < s.K; ++k) {
        double* y = y_.values.data() + (n * s.K + k) * plane;
        std::fill_n(y, plane, bias[static_cast<std::size_t>(k)]);
        for (std::int64_t c = 0; c < s.C; ++c) {
          const double* x = x_.values.data() + (n * s.C + c) * s.H * s.W;
          const double* filter = weight + (k * s.C + c) * s.R * s.S;
          for_each_row([&](std::int64_t tap, std::int64_t in, std::int64_t out, std::int64_t count) {
            for (std::int64_t i = 0; i < count; ++i) y[out + i] += filter[tap] * x[in + i * s.stride];
          });
        }
      }
    }
  }

  void backward(bool accumulate) override {
    if (!accumulate) parameters_.clear_gradients();
    std::ranges::fill(x_.gradient, 0.0);
    const ConvolutionShape& s = shape_;
    const double* weight = parameters_.weight().data();
    double* weight_gradient = parameters_.weight_gradient().data();
    const auto bias_gradient = parameters_.bias_gradient();
    const std::int64_t plane = s.P() * s.Q();
    for (std::int64_t n = 0; n < s.N; ++n) {
      for (std::int64_t k = 0; k < s.K; ++k) {
        const double* dy = y_.gradient.data() + (n * s.K + k) * plane;
        bias_gradient[static_cast<std::size_t>(k)] += std::accumulate(dy, dy + plane, 0.0);
        for (std::int64_t c = 0; c < s.C; ++c) {
          const std::int64_t image = (n * s.C + c) * s.H * s.W;
          const double* x = x_.values.data() + image;
          double* dw = weight_gradient + (k * s.C + c) * s.R * s.S;
          for_each_row([&](std::int64_t tap, std::int64_t in, std::int64_t out, std::int64_t count) {
            double sum = 0;
            for (std::int64_t i = 0; i < count; ++i) sum += dy[out + i] * x[in + i * s.stride];
            dw[tap] += sum;
          });
          if (x_.gradient.empty()) continue;
          double* dx = x_.gradient.data() + image;
          const double* filter = weight + (k * s.C + c) * s.R * s.S;
          for_each_row([&](std::int64_t tap, std::int64_t in, std::int64_t out, std::int64_t count) {
            for (std::int64_t i = 0; i < count; ++i) dx[in + i * s.stride] += filter[tap] * dy[out + i];
          });
        }
      }
    }
  }

 private:
  /// Calls body(tap, in, out, count) for each filter tap r * S + s and each output row it reaches: outputs
  /// out .. out + count of a (P,Q) plane read inputs in, in + stride, ... of an (H,W) plane through that tap.
  template <class Body>
  void for_each_row(const Body& body) const {
    const ConvolutionShape& s = shape_;
    for (std::int64_t r = 0; r < s.R; ++r) {
      const std::int64_t row_offset = r * s.dilation - s.padding;
      const OutputRange rows = outputs_inside(s.P(), s.H, s.stride, row_offset);
      for (std::int64_t t = 0; t < s.S; ++t) {
        const std::int64_t column_offset = t * s.dilation - s.padding;
        const OutputRange columns = outputs_inside(s.Q(), s.W, s.stride, column_offset);
        for (std::int64_t p = rows.begin; p < rows.end; ++p) {
          const std::int64_t in =
              (p * s.stride + row_offset) * s.W + columns.begin * s.stride + column_offset;
          body(r * s.S + t, in, p * s.Q() + columns.begin, columns.end - columns.begin);
        }
      }
    }
  }

  ConvolutionShape shape_;
  LayerParameters parameters_;
  Activation x_, y_;
};

std::unique_ptr<Kernel> make(std::span<const Operation> operations, Context& context) {
  const auto& work = std::get<Convolution>(operations.front().work);
  const Activation output = context.allocate(work.shape.output_elements(), true);
  auto kernel = std::make_unique<ConvolutionKernel>(operations.front(), work, context, output);
  context.last = output;
  return kernel;
}

}  // namespace

Candidate convolution() {
  return {kName, claims_one<Convolution>, make};
}

}  // namespace dml::reference
