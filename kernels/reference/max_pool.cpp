#include "kernels/reference/max_pool.h"

#include <algorithm>
#include <cmath>

namespace dml::reference {
namespace {

constexpr std::string_view kName = "max_pool_reference";

class MaxPoolKernel final : public Kernel {
 public:
  MaxPoolKernel(const Operation& operation, const PoolShape& shape, Context& context, Activation output)
      : Kernel(operation.layer, kernel_description(kName, operation), output.values),
        shape_(shape),
        winners_(output.values.size()),
        x_(context.last),
        y_(output) {}

  void forward() override {
    const PoolShape& s = shape_;
    std::size_t out = 0;
    for (std::int64_t plane = 0; plane < s.N * s.C; ++plane) {
      for (std::int64_t p = 0; p < s.P(); ++p) {
        for (std::int64_t q = 0; q < s.Q(); ++q, ++out) {
          winners_[out] = winner((plane * s.H + p * s.stride) * s.W + q * s.stride);
          y_.values[out] = x_.values[winners_[out]];
        }
      }
    }
  }

  void backward(bool /*accumulate*/) override {
    if (x_.gradient.empty()) return;
    std::ranges::fill(x_.gradient, 0.0);
    for (std::size_t out = 0; out < winners_.size(); ++out) x_.gradient[winners_[out]] += y_.gradient[out];
  }

 private:
  /// The input element that wins the window whose first element is `corner`. A NaN beats everything.
  [[nodiscard]] std::size_t winner(std::int64_t corner) const {
    auto best = static_cast<std::size_t>(corner);
    for (std::int64_t r = 0; r < shape_.window; ++r) {
      for (std::int64_t t = 0; t < shape_.window; ++t) {
        const auto i = static_cast<std::size_t>(corner + r * shape_.W + t);
        if (x_.values[i] > x_.values[best] || std::isnan(x_.values[i])) best = i;
      }
    }
    return best;
  }

  PoolShape shape_;
  std::vector<std::size_t> winners_;  // per output of the last forward(), the input it came from
  Activation x_, y_;
};

std::unique_ptr<Kernel> make(std::span<const Operation> operations, Context& context) {
  const PoolShape& shape = std::get<MaxPool>(operations.front().work).shape;
  const Activation output = context.allocate(shape.output_elements(), true);
  auto kernel = std::make_unique<MaxPoolKernel>(operations.front(), shape, context, output);
  context.last = output;
  return kernel;
}

}  // namespace

Candidate max_pool() {
  return {kName, claims_one<MaxPool>, make};
}

}  // namespace dml::reference
