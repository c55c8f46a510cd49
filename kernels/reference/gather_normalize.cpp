#include "kernels/reference/gather_normalize.h"

namespace dml::reference {
namespace {

constexpr std::string_view kName = "gather_normalize_reference";

class GatherNormalizeKernel final : public Kernel {
 public:
  GatherNormalizeKernel(const Operation& operation, const GatherNormalize& work, const Context& context,
                        Activation output)
      : Kernel(operation.layer, kernel_description(kName, operation), output.values),
        work_(work),
        context_(&context),
        y_(output) {}

  void forward() override {
    const auto images = context_->data.images;
    const std::int64_t elements = work_.sample_elements();
    const std::int64_t samples = static_cast<std::int64_t>(images.size()) / elements;
    for (std::int64_t n = 0; n < work_.N; ++n) {
      const std::int64_t index = context_->sample_indices[static_cast<std::size_t>(n)];
      DML_ASSERT(index >= 0 && index < samples, "sample " + std::to_string(index) + " of a data set of " +
                                                    std::to_string(samples) + " images");
      const std::uint8_t* image = images.data() + index * elements;
      double* y = y_.values.data() + n * elements;
      for (std::int64_t i = 0; i < elements; ++i) y[i] = (image[i] / 255.0 - work_.mean) / work_.stddev;
    }
  }

  void backward(bool /*accumulate*/) override {}

 private:
  GatherNormalize work_;
  const Context* context_;
  Activation y_;
};

std::unique_ptr<Kernel> make(std::span<const Operation> operations, Context& context) {
  const auto& work = std::get<GatherNormalize>(operations.front().work);
  const Activation output = context.allocate(work.N * work.sample_elements(), false);
  auto kernel = std::make_unique<GatherNormalizeKernel>(operations.front(), work, context, output);
  context.last = output;
  return kernel;
}

}  // namespace

Candidate gather_normalize() {
  return {kName, claims_one<GatherNormalize>, make};
}

}  // namespace dml::reference
