// Convolution [+ ReLU] [+ max pool] with sixteen samples in the lanes of a vector.
//
// oneDNN puts channels into lanes, so a layer of 1 -> 6 or 6 -> 16 channels pads most of them with zeros.
// Here activations are [N/16][C][H][W][16]: no channel is padded, and only the last block of a batch may have
// lanes to spare. Weights are packed with output channels adjacent: [c][r][s][k] forward, [k][r][s][c]
// backward.
//
//   forward   row by row of the output: as many rows of the convolution as its pool needs go into a scratch
//   of one
//             thread, small enough for the first cache, and are pooled from there
//   backward  a wave of as many blocks as there are threads at a time: the gradient of the convolution's
//   output is
//             spread out from the pool's, then weights, bias and input get theirs from it
//
// Nothing of the size of the convolution's output is kept for all blocks. Parameter gradients are summed over
// the lanes, then over the blocks in their order, so they do not depend on the number of threads.
#include "kernels/cpu/lanes_convolution.h"

#include <algorithm>
#include <vector>

#include "kernels/base/buffer.h"
#include "kernels/cpu/candidates.h"
#include "kernels/cpu/lanes_tensor.h"
#include "kernels/cpu/simd/kernels.h"
#include "kernels/cpu/threads.h"

namespace dml::cpu {
namespace {

class LanesConvolutionStep final : public Step {
 public:
  LanesConvolutionStep(StageContext& stage, std::span<const Operation> claimed)
      : Step(claimed.front()),
        stage_(stage),
        convolution_(std::get<Convolution>(claimed.front().work)),
        shape_(convolution_.shape),
        blocks_(lanes_block_count(shape_.N)),
        worth_a_team_(shape_.forward_flops() > kTeamFlops),
        source_(stage, stage.current, lanes_layout({shape_.N, shape_.C, shape_.H, shape_.W})),
        padded_source_(source_.result(), {blocks_, shape_.C, shape_.H, shape_.W}, shape_.padding) {
    const ConvolutionShape& s = shape_;
    for (const Operation& operation : claimed.subspan(1)) {
      if (std::holds_alternative<Relu>(operation.work)) relu_ = true;
      if (const auto* const pool = std::get_if<MaxPool>(&operation.work)) pool_shape_ = pool->shape;
    }
    weights_ = stage.packed.get(stage.onednn, stage.parameters, convolution_.weight_offset,
                                strided_layout({s.K, s.C, s.R, s.S}, {1, s.R * s.S * s.K, s.S * s.K, s.K}));
    bias_ = stage.parameters.values.slice(convolution_.bias_offset, s.K).as<float>().data();
    forward_ = {s.C,       s.H,       padded_source_.width(), s.K,       s.R, s.S,           s.P(), s.Q(),
                s.padding, s.padding, s.R * s.S * s.K,        s.S * s.K, s.K, s.P() * s.Q(), s.Q()};
    output_ = allocate(stage.onednn, lanes_layout({s.N, s.K, output_rows(), output_columns()}));
    if (!pools()) return;
    // One pool row's worth of convolution rows for each thread.
    forward_.y_channel = pool_shape_.window * s.Q();
    pool_ = {pool_shape_.Q(), pool_shape_.window, pool_shape_.stride, s.Q(), relu_};
    scratch_ = HostBuffer(stage.threads * scratch_elements(), DType::f32);
    choice_.resize(static_cast<std::size_t>(blocks_ * output_block()));
  }

  void forward() override {
    source_.run(stage_.onednn.stream);
    padded_source_.refresh(worth_a_team_);
    weights_->refresh(stage_.parameters.version, stage_.onednn.stream);
    parallel_items(blocks_ * output_rows(), worth_a_team_, [&](std::int64_t item, int worker) {
      const std::int64_t block = item / output_rows();
      const std::int64_t row = item % output_rows();
      if (pools()) {
        forward_pooled_row(block, row, worker);
      } else {
        forward_row(block, row);
      }
    });
  }

  dnnl::memory compile_backward(const dnnl::memory& output_gradient, bool want_input_gradient) override {
    const ConvolutionShape& s = shape_;
    output_gradient_ = Conversion(stage_, output_gradient, output_.get_desc());
    weight_gradient_ = stage_.parameters.gradients.slice(convolution_.weight_offset, s.weight_elements());
    bias_gradient_ = stage_.parameters.gradients.slice(convolution_.bias_offset, s.K);
    weight_parts_.resize(static_cast<std::size_t>(blocks_ * s.weight_elements()));
    bias_parts_.resize(static_cast<std::size_t>(blocks_ * s.K));
    // The gradient of the convolution's output, with the zero columns that the input gradient needs.
    const std::int64_t columns = want_input_gradient ? s.S - 1 - s.padding : 0;
    wave_ = std::min<std::int64_t>(blocks_, stage_.threads);
    spread_ = PaddedLanes({wave_, s.K, s.P(), s.Q()}, columns);
    backward_ = forward_;
    backward_.y_row = spread_.width();
    backward_.y_channel = s.P() * spread_.width();
    if (!want_input_gradient) return {};
    // dx[c,h,w] = sum of w[k,c,r,s] * dy[k, h + padding - r, w + padding - s]: a correlation whose filter is
    // turned round, so the weight pointer starts at the last tap and steps back.
    turned_weights_ =
        stage_.packed.get(stage_.onednn, stage_.parameters, convolution_.weight_offset,
                          strided_layout({s.K, s.C, s.R, s.S}, {s.R * s.S * s.C, 1, s.S * s.C, s.C}));
    turned_ = {s.K,     s.P(),           spread_.width(), s.C,  s.R,       s.S, s.H, s.W, s.R - 1 - s.padding,
               columns, s.R * s.S * s.C, -s.S * s.C,      -s.C, s.H * s.W, s.W};
    input_gradient_ = allocate(stage_.onednn, lanes_layout({s.N, s.C, s.H, s.W}));
    return input_gradient_;
  }

  void backward(bool accumulate) override {
    output_gradient_.run(stage_.onednn.stream);
    if (turned_weights_) turned_weights_->refresh(stage_.parameters.version, stage_.onednn.stream);
    for (std::int64_t first = 0; first < blocks_; first += wave_) {
      const std::int64_t blocks = std::min(wave_, blocks_ - first);
      spread_gradient(first, blocks);
      sum_parameter_gradients(first, blocks);
      if (turned_weights_) find_input_gradient(first, blocks);
    }
    add_parts(weight_parts_, weight_gradient_.as<float>(), accumulate);
    add_parts(bias_parts_, bias_gradient_.as<float>(), accumulate);
  }

  [[nodiscard]] bool has_parameters() const override { return true; }
  [[nodiscard]] std::string description() const override {
    return std::string("convolution") + (relu_ ? " + relu" : "") + (pools() ? " + max pool" : "") +
           ": samples in lanes, simd:" + kernels_.name;
  }

 private:
  static constexpr double kTeamFlops =
      1e6;  ///< a tenth of a millisecond at the worst, a team costs microseconds

  [[nodiscard]] bool pools() const { return pool_shape_.N > 0; }
  [[nodiscard]] std::int64_t output_rows() const { return pools() ? pool_shape_.P() : shape_.P(); }
  [[nodiscard]] std::int64_t output_columns() const { return pools() ? pool_shape_.Q() : shape_.Q(); }
  // Elements of one row, one channel and one block of the output.
  [[nodiscard]] std::int64_t output_row() const { return output_columns() * kSamplesPerBlock; }
  [[nodiscard]] std::int64_t output_plane() const { return output_rows() * output_row(); }
  [[nodiscard]] std::int64_t output_block() const { return shape_.K * output_plane(); }
  [[nodiscard]] std::int64_t scratch_elements() const {
    return shape_.K * pool_shape_.window * shape_.Q() * kSamplesPerBlock;
  }
  [[nodiscard]] const float* packed_weights() const { return floats(weights_->memory()); }

  void forward_row(std::int64_t block, std::int64_t p) {
    float* const y = floats(output_) + block * output_block() + p * output_row();
    kernels_.correlate_row(forward_, padded_source_.block(block), packed_weights(), bias_, p, y);
    if (!relu_) return;
    for (std::int64_t k = 0; k < shape_.K; ++k) {
      kernels_.relu_forward(y + k * output_plane(), y + k * output_plane(), output_row());
    }
  }

  void forward_pooled_row(std::int64_t block, std::int64_t row, int worker) {
    const std::int64_t scratch_row = shape_.Q() * kSamplesPerBlock;
    float* const scratch = scratch_.as<float>().data() + worker * scratch_elements();
    for (std::int64_t r = 0; r < pool_.window; ++r) {
      kernels_.correlate_row(forward_, padded_source_.block(block), packed_weights(), bias_,
                             row * pool_.stride + r, scratch + r * scratch_row);
    }
    const std::int64_t first = block * output_block() + row * output_row();
    for (std::int64_t k = 0; k < shape_.K; ++k) {
      const std::int64_t out = first + k * output_plane();
      kernels_.lanes_pool_row(pool_, scratch + k * pool_.window * scratch_row, floats(output_) + out,
                              choice_.data() + out);
    }
  }

  /// From d(loss)/d(output) of blocks [first, first + blocks) to that of the convolution, before pool and
  /// ReLU. Only columns between the zeros are written, and always the same ones.
  void spread_gradient(std::int64_t first, std::int64_t blocks) {
    parallel_items(blocks * shape_.K, worth_a_team_, [&](std::int64_t item, int /*worker*/) {
      const std::int64_t plane = first * output_block() + item * output_plane();
      const float* const dy = floats(output_gradient_.result()) + plane;
      float* const dx = spread_.plane(item) + spread_.padding_elements();
      const std::int64_t dx_row = spread_.width() * kSamplesPerBlock;
      LanesPool pool = pool_;
      pool.x_row = spread_.width();
      for (std::int64_t row = 0; row < output_rows(); ++row) {
        const std::int64_t at = row * output_row();
        if (pools()) {
          kernels_.lanes_unpool_row(pool, dy + at, choice_.data() + plane + at,
                                    dx + row * pool.stride * dx_row);
        } else if (relu_) {
          kernels_.relu_backward(floats(output_) + plane + at, dy + at, dx + row * dx_row, output_row());
        } else {
          std::copy_n(dy + at, output_row(), dx + row * dx_row);
        }
      }
    });
  }

  void sum_parameter_gradients(std::int64_t first, std::int64_t blocks) {
    const std::int64_t tasks = shape_.C + 1;  // an input channel each, and the bias
    parallel_items(blocks * tasks, worth_a_team_, [&](std::int64_t item, int /*worker*/) {
      const std::int64_t block = item / tasks;
      const std::int64_t c = item % tasks;
      const float* const dy = spread_.block(block) + spread_.padding_elements();
      if (c == shape_.C) {
        kernels_.correlate_bias_gradient(backward_, dy, bias_parts_.data() + (first + block) * shape_.K);
      } else {
        kernels_.correlate_weight_gradient(backward_, padded_source_.block(first + block), dy, c,
                                           weight_parts_.data() + (first + block) * shape_.weight_elements());
      }
    });
  }

  void find_input_gradient(std::int64_t first, std::int64_t blocks) {
    const ConvolutionShape& s = shape_;
    const float* const last_tap = floats(turned_weights_->memory()) + (s.R * s.S - 1) * s.C;
    parallel_items(blocks * s.H, worth_a_team_, [&](std::int64_t item, int /*worker*/) {
      const std::int64_t block = item / s.H;
      const std::int64_t h = item % s.H;
      float* const dx = floats(input_gradient_) + ((first + block) * s.C * s.H + h) * s.W * kSamplesPerBlock;
      kernels_.correlate_row(turned_, spread_.block(block), last_tap, nullptr, h, dx);
    });
  }

  /// Adds up the parts of the blocks in their order.
  void add_parts(const std::vector<float>& parts, std::span<float> gradient, bool accumulate) const {
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      float sum = parts[i];
      for (std::size_t block = 1; block < static_cast<std::size_t>(blocks_); ++block) {
        sum += parts[block * gradient.size() + i];
      }
      gradient[i] = accumulate ? gradient[i] + sum : sum;
    }
  }

  StageContext& stage_;
  const SimdKernels& kernels_ = simd_kernels();
  Convolution convolution_;
  ConvolutionShape shape_;
  bool relu_ = false;
  PoolShape pool_shape_;  ///< of no samples where there is no pool
  std::int64_t blocks_;
  bool worth_a_team_;

  Conversion source_;
  PaddedLanes padded_source_;
  std::shared_ptr<PackedWeight> weights_;
  const float* bias_ = nullptr;
  LanesCorrelation forward_{};
  LanesPool pool_{};
  HostBuffer scratch_;                ///< (threads, K, window, Q, 16)
  std::vector<std::uint8_t> choice_;  ///< of every window, in the order of the output

  Conversion output_gradient_;
  std::int64_t wave_ = 0;  ///< blocks that go back together
  PaddedLanes spread_;     ///< d(loss)/d(convolution) of one wave
  LanesCorrelation backward_{};
  View weight_gradient_, bias_gradient_;
  std::vector<float> weight_parts_, bias_parts_;  ///< one gradient per block of samples
  std::shared_ptr<PackedWeight> turned_weights_;  ///< null when no input gradient is wanted
  LanesCorrelation turned_{};
  dnnl::memory input_gradient_;
};

}  // namespace

bool lanes_convolution_supports(const ConvolutionShape& s) {
  constexpr std::int64_t kFewestSamples = 8;
  const bool fits = s.stride == 1 && s.dilation == 1 && s.padding < std::min(s.R, s.S);
  return fits && s.N >= kFewestSamples && s.C < 16 && s.K <= 16;
}

std::size_t lanes_convolution_claims(std::span<const Operation> operations) {
  const auto* const convolution = front_as<Convolution>(operations);
  if (convolution == nullptr || !lanes_convolution_supports(convolution->shape)) return 0;
  std::size_t claimed = 1;
  if (front_as<Relu>(operations.subspan(claimed)) != nullptr) ++claimed;
  const auto* const pool = front_as<MaxPool>(operations.subspan(claimed));
  const bool fuses_pool = pool != nullptr && pool->shape.stride >= pool->shape.window &&
                          pool->shape.window * pool->shape.window <= std::int64_t{kNoChoice};
  return fuses_pool ? claimed + 1 : claimed;
}

StageCandidate lanes_convolution() {
  return {"convolution in lanes", lanes_convolution_claims,
          [](std::span<const Operation> claimed, StageContext& stage) {
            return make_step<LanesConvolutionStep>(stage, claimed);
          },
          Origin::custom};
}

}  // namespace dml::cpu
