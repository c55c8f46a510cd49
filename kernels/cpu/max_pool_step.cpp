// Max pooling, alone or of max(x, 0), in whatever layout of planes the producer left. Going back through both
// at once costs no pass of its own: a window whose maximum is not positive gets no gradient.
#include <vector>

#include "kernels/cpu/candidates.h"
#include "kernels/cpu/simd/kernels.h"
#include "kernels/cpu/threads.h"

namespace dml::cpu {
namespace {

class MaxPoolStep final : public Step {
 public:
  /// `claimed` is [ReLU +] max pool.
  MaxPoolStep(StageContext& stage, std::span<const Operation> claimed)
      : Step(claimed.front()), stage_(stage), relu_(claimed.size() == 2) {
    const dnnl::memory& source = stage.current;
    const PoolShape& shape = std::get<MaxPool>(claimed.back().work).shape;
    PlaneLayout planes;
    const bool keeps_layout = find_plane_layout(source.get_desc(), &planes);
    source_ = Conversion(
        stage, source, keeps_layout ? source.get_desc() : plain_layout({shape.N, shape.C, shape.H, shape.W}));
    find_plane_layout(source_.result().get_desc(), &planes);
    planes_ = planes.outer;
    plane_ = {shape.H, shape.W, shape.P(), shape.Q(), planes.inner, shape.window, shape.stride};
    output_ = allocate(stage.onednn,
                       same_order(source_.result().get_desc(), {shape.N, shape.C, shape.P(), shape.Q()}));
    choice_.resize(static_cast<std::size_t>(float_count(output_)));
  }

  void forward() override {
    source_.run(stage_.onednn.stream);
    const float* const x = floats(source_.result());
    float* const y = floats(output_);
    parallel_items(planes_, float_count(source_.result()) > kWorthATeam, [&](std::int64_t i, int /*worker*/) {
      kernels_.max_pool_forward(plane_, relu_, x + i * input_points(), y + i * output_points(),
                                choice_.data() + i * output_points());
    });
  }

  dnnl::memory compile_backward(const dnnl::memory& output_gradient, bool want_input_gradient) override {
    if (!want_input_gradient) return {};
    output_gradient_ = Conversion(stage_, output_gradient, output_.get_desc());
    input_gradient_ = allocate(stage_.onednn, source_.result().get_desc());
    return input_gradient_;
  }

  void backward(bool /*accumulate*/) override {
    if (is_empty(input_gradient_)) return;
    output_gradient_.run(stage_.onednn.stream);
    const float* const y = floats(output_);
    const float* const dy = floats(output_gradient_.result());
    float* const dx = floats(input_gradient_);
    parallel_items(planes_, float_count(input_gradient_) > kWorthATeam, [&](std::int64_t i, int /*worker*/) {
      kernels_.max_pool_backward(plane_, relu_, dy + i * output_points(),
                                 choice_.data() + i * output_points(), y + i * output_points(),
                                 dx + i * input_points());
    });
  }

  [[nodiscard]] std::string description() const override {
    return std::string(relu_ ? "relu + " : "") + "max pool: simd:" + kernels_.name + " over " +
           std::to_string(plane_.inner) + " channels";
  }

 private:
  [[nodiscard]] std::int64_t input_points() const { return plane_.H * plane_.W * plane_.inner; }
  [[nodiscard]] std::int64_t output_points() const { return plane_.P * plane_.Q * plane_.inner; }

  StageContext& stage_;
  const SimdKernels& kernels_ = simd_kernels();
  bool relu_;
  std::int64_t planes_ = 0;
  PoolPlane plane_{};
  Conversion source_, output_gradient_;
  dnnl::memory input_gradient_;
  std::vector<std::int32_t> choice_;
};

std::unique_ptr<Step> make(std::span<const Operation> claimed, StageContext& stage) {
  return make_step<MaxPoolStep>(stage, claimed);
}

}  // namespace

StageCandidate relu_max_pool() {
  return {"relu + max pool",
          [](std::span<const Operation> operations) -> std::size_t {
            const bool claims =
                front_as<Relu>(operations) != nullptr && front_as<MaxPool>(operations.subspan(1)) != nullptr;
            return claims ? 2 : 0;
          },
          make};
}

StageCandidate max_pool() {
  return {"max pool",
          [](std::span<const Operation> operations) -> std::size_t {
            return front_as<MaxPool>(operations) != nullptr ? 1 : 0;
          },
          make};
}

}  // namespace dml::cpu
