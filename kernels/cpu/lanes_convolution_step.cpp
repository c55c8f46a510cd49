#include "kernels/cpu/lanes_convolution_step.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/base/buffer.h"
#include "kernels/cpu/simd/kernels.h"
#include "kernels/cpu/threads.h"

namespace dml::cpu {
namespace {

std::int64_t block_count(std::int64_t samples) {
  return (samples + kSamplesPerBlock - 1) / kSamplesPerBlock;
}

/// A lanes tensor with zero columns left and right of every row; without padding it is the tensor itself.
class PaddedColumns {
 public:
  PaddedColumns() = default;
  PaddedColumns(const dnnl::memory& source, std::int64_t planes, std::int64_t H, std::int64_t W,
                std::int64_t padding)
      : source_(source), planes_(planes), H_(H), W_(W), padding_(padding) {
    if (padding > 0) padded_ = HostBuffer(planes * H * width() * kSamplesPerBlock, DType::f32);
  }
  [[nodiscard]] std::int64_t width() const { return W_ + 2 * padding_; }
  [[nodiscard]] const float* data() const {
    return padding_ > 0 ? static_cast<const float*>(padded_.view().data) : floats(source_);
  }
  /// Copies the tensor between its zeros.
  void refresh() {
    if (padding_ == 0) return;
    const float* const from = floats(source_);
    float* const to = padded_.as<float>().data();
    parallel_items(planes_, true, [&](std::int64_t plane) {
      for (std::int64_t row = plane * H_; row < (plane + 1) * H_; ++row) {
        std::memcpy(to + (row * width() + padding_) * kSamplesPerBlock, from + row * W_ * kSamplesPerBlock,
                    static_cast<std::size_t>(W_ * kSamplesPerBlock) * sizeof(float));
      }
    });
  }

 private:
  dnnl::memory source_;
  std::int64_t planes_ = 0, H_ = 0, W_ = 0, padding_ = 0;
  HostBuffer padded_;
};

class LanesConvolutionStep final : public Step {
 public:
  LanesConvolutionStep(StageContext& stage, const std::string& layer, const Convolution& convolution,
                       const dnnl::memory& source)
      : Step(layer),
        stage_(stage),
        convolution_(convolution),
        shape_(convolution.shape),
        blocks_(block_count(shape_.N)),
        source_(stage, source, lanes_layout({shape_.N, shape_.C, shape_.H, shape_.W})),
        padded_source_(source_.result(), blocks_ * shape_.C, shape_.H, shape_.W, shape_.padding) {
    const ConvolutionShape& s = shape_;
    output_ = allocate(stage.onednn, lanes_layout({s.N, s.K, s.P(), s.Q()}));
    weights_ = stage.packed.get(stage.onednn, stage.parameters, convolution.weight_offset,
                                strided_layout({s.K, s.C, s.R, s.S}, {1, s.R * s.S * s.K, s.S * s.K, s.K}));
    bias_ = stage.parameters.values.slice(convolution.bias_offset, s.K).as<float>().data();
    forward_ = {s.C,   s.H,       padded_source_.width(), s.K,       s.R, s.S, s.P(),
                s.Q(), s.padding, s.R * s.S * s.K,        s.S * s.K, s.K};
  }

  void forward() override {
    source_.run(stage_.onednn.stream);
    padded_source_.refresh();
    weights_->refresh(stage_.parameters.version, stage_.onednn.stream);
    const float* const w = floats(weights_->memory());
    parallel_items(blocks_ * shape_.P(), true, [&](std::int64_t item) {
      const std::int64_t block = item / shape_.P();
      kernels_.correlate_row(forward_, source_block(block), w, bias_, item % shape_.P(),
                             floats(output_) + block * output_block_elements());
    });
  }

  dnnl::memory compile_backward(const dnnl::memory& output_gradient, bool want_input_gradient) override {
    const ConvolutionShape& s = shape_;
    output_gradient_ = Conversion(stage_, output_gradient, output_.get_desc());
    weight_gradient_ = stage_.parameters.gradients.slice(convolution_.weight_offset, s.weight_elements());
    bias_gradient_ = stage_.parameters.gradients.slice(convolution_.bias_offset, s.K);
    weight_parts_.resize(static_cast<std::size_t>(blocks_ * s.weight_elements()));
    bias_parts_.resize(static_cast<std::size_t>(blocks_ * s.K));
    if (!want_input_gradient) return {};
    // dx[c,h,w] = sum of w[k,c,r,s] * dy[k, h + padding - r, w + padding - s]: a correlation whose filter is
    // turned round, so the weight pointer starts at the last tap and steps back.
    padded_gradient_ =
        PaddedColumns(output_gradient_.result(), blocks_ * s.K, s.P(), s.Q(), s.S - 1 - s.padding);
    turned_weights_ =
        stage_.packed.get(stage_.onednn, stage_.parameters, convolution_.weight_offset,
                          strided_layout({s.K, s.C, s.R, s.S}, {s.R * s.S * s.C, 1, s.S * s.C, s.C}));
    turned_ = {s.K,
               s.P(),
               padded_gradient_.width(),
               s.C,
               s.R,
               s.S,
               s.H,
               s.W,
               s.R - 1 - s.padding,
               s.R * s.S * s.C,
               -s.S * s.C,
               -s.C};
    input_gradient_ = allocate(stage_.onednn, lanes_layout({s.N, s.C, s.H, s.W}));
    return input_gradient_;
  }

  void backward(bool accumulate) override {
    output_gradient_.run(stage_.onednn.stream);
    backward_parameters(accumulate);
    if (!is_empty(input_gradient_)) backward_input();
  }

  [[nodiscard]] bool has_parameters() const override { return true; }
  [[nodiscard]] std::string description() const override {
    return std::string("convolution: samples in lanes, simd:") + kernels_.name;
  }

 private:
  [[nodiscard]] std::int64_t output_block_elements() const {
    return shape_.K * shape_.P() * shape_.Q() * kSamplesPerBlock;
  }
  [[nodiscard]] const float* source_block(std::int64_t block) const {
    return padded_source_.data() + block * shape_.C * shape_.H * padded_source_.width() * kSamplesPerBlock;
  }

  void backward_parameters(bool accumulate) {
    const float* const dy = floats(output_gradient_.result());
    const std::int64_t weights = shape_.weight_elements();
    parallel_items(blocks_ * (shape_.C + 1), true, [&](std::int64_t item) {
      const std::int64_t block = item / (shape_.C + 1);
      const std::int64_t c = item % (shape_.C + 1);
      const float* const dy_block = dy + block * output_block_elements();
      if (c == shape_.C) {
        kernels_.correlate_bias_gradient(forward_, dy_block, bias_parts_.data() + block * shape_.K);
      } else {
        kernels_.correlate_weight_gradient(forward_, source_block(block), dy_block, c,
                                           weight_parts_.data() + block * weights);
      }
    });
    sum_parts(weight_parts_, weight_gradient_.as<float>(), accumulate);
    sum_parts(bias_parts_, bias_gradient_.as<float>(), accumulate);
  }

  void sum_parts(const std::vector<float>& parts, std::span<float> gradient, bool accumulate) const {
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      float sum = parts[i];
      for (std::size_t block = 1; block < static_cast<std::size_t>(blocks_); ++block) {
        sum += parts[block * gradient.size() + i];
      }
      gradient[i] = accumulate ? gradient[i] + sum : sum;
    }
  }

  void backward_input() {
    const ConvolutionShape& s = shape_;
    padded_gradient_.refresh();
    turned_weights_->refresh(stage_.parameters.version, stage_.onednn.stream);
    const float* const last_tap = floats(turned_weights_->memory()) + (s.R * s.S - 1) * s.C;
    const std::int64_t dy_block = s.K * s.P() * padded_gradient_.width() * kSamplesPerBlock;
    const std::int64_t dx_block = s.C * s.H * s.W * kSamplesPerBlock;
    parallel_items(blocks_ * s.H, true, [&](std::int64_t item) {
      const std::int64_t block = item / s.H;
      kernels_.correlate_row(turned_, padded_gradient_.data() + block * dy_block, last_tap, nullptr,
                             item % s.H, floats(input_gradient_) + block * dx_block);
    });
  }

  StageContext& stage_;
  const SimdKernels& kernels_ = simd_kernels();
  Convolution convolution_;
  ConvolutionShape shape_;
  std::int64_t blocks_;

  Conversion source_;
  PaddedColumns padded_source_;
  std::shared_ptr<PackedWeight> weights_;
  const float* bias_ = nullptr;
  LanesCorrelation forward_{};

  Conversion output_gradient_;
  View weight_gradient_, bias_gradient_;
  std::vector<float> weight_parts_, bias_parts_;  ///< one gradient per block of samples
  PaddedColumns padded_gradient_;
  std::shared_ptr<PackedWeight> turned_weights_;
  LanesCorrelation turned_{};
  dnnl::memory input_gradient_;
};

}  // namespace

bool lanes_convolution_supports(const ConvolutionShape& s) {
  constexpr std::int64_t kFewestSamples = 8;
  const bool fits = s.stride == 1 && s.dilation == 1 && s.padding < std::min(s.R, s.S);
  return fits && s.N >= kFewestSamples && s.C < 16 && s.K <= 16;
}

std::unique_ptr<Step> make_lanes_convolution_step(StageContext& stage, const std::string& layer,
                                                  const Convolution& convolution,
                                                  const dnnl::memory& source) {
  return std::make_unique<LanesConvolutionStep>(stage, layer, convolution, source);
}

}  // namespace dml::cpu
