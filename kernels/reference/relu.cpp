#include "kernels/reference/relu.h"

namespace dml::reference {
namespace {

constexpr std::string_view kName = "relu_reference";

class ReluKernel final : public Kernel {
 public:
  ReluKernel(const Operation& operation, Context& context, Activation output)
      : Kernel(operation.layer, kernel_description(kName, operation), output.values),
        x_(context.last),
        y_(output) {}

  void forward() override {
    for (std::size_t i = 0; i < x_.values.size(); ++i) y_.values[i] = x_.values[i] < 0 ? 0 : x_.values[i];
  }

  void backward(bool /*accumulate*/) override {
    for (std::size_t i = 0; i < x_.gradient.size(); ++i) {
      x_.gradient[i] = y_.values[i] > 0 ? y_.gradient[i] : 0;
    }
  }

 private:
  Activation x_, y_;
};

std::unique_ptr<Kernel> make(std::span<const Operation> operations, Context& context) {
  const Activation output = context.allocate(std::get<Relu>(operations.front().work).elements, true);
  auto kernel = std::make_unique<ReluKernel>(operations.front(), context, output);
  context.last = output;
  return kernel;
}

}  // namespace

Candidate relu() {
  return {kName, claims_one<Relu>, make};
}

}  // namespace dml::reference
