// ReLU where no pool follows: y = max(x, 0); dx = dy where y > 0. A NaN stays one.
#include "kernels/cpu/candidates.h"
#include "kernels/cpu/simd/kernels.h"
#include "kernels/cpu/threads.h"

namespace dml::cpu {
namespace {

class ReluStep final : public Step {
 public:
  ReluStep(StageContext& stage, const Operation& operation)
      : Step(operation), stage_(stage), source_(stage.current) {
    output_ = stage.current_is_input ? allocate(stage.onednn, source_.get_desc()) : source_;
  }

  void forward() override {
    const float* const x = floats(source_);
    float* const y = floats(output_);
    parallel_chunks(float_count(output_), [&](std::int64_t first, std::int64_t count) {
      kernels_.relu_forward(x + first, y + first, count);
    });
  }

  dnnl::memory compile_backward(const dnnl::memory& output_gradient, bool want_input_gradient) override {
    if (!want_input_gradient) return {};
    output_gradient_ = Conversion(stage_, output_gradient, output_.get_desc());
    input_gradient_ = allocate(stage_.onednn, output_.get_desc());
    return input_gradient_;
  }

  void backward(bool /*accumulate*/) override {
    if (is_empty(input_gradient_)) return;
    output_gradient_.run(stage_.onednn.stream);
    const float* const y = floats(output_);
    const float* const dy = floats(output_gradient_.result());
    float* const dx = floats(input_gradient_);
    parallel_chunks(float_count(output_), [&](std::int64_t first, std::int64_t count) {
      kernels_.relu_backward(y + first, dy + first, dx + first, count);
    });
  }

  [[nodiscard]] std::string description() const override {
    return std::string("relu: simd:") + kernels_.name;
  }

 private:
  StageContext& stage_;
  const SimdKernels& kernels_ = simd_kernels();
  dnnl::memory source_, input_gradient_;
  Conversion output_gradient_;
};

}  // namespace

StageCandidate relu() {
  return {"relu",
          [](std::span<const Operation> operations) -> std::size_t {
            return front_as<Relu>(operations) != nullptr ? 1 : 0;
          },
          [](std::span<const Operation> claimed, StageContext& stage) {
            return make_step<ReluStep>(stage, claimed.front());
          }};
}

}  // namespace dml::cpu
