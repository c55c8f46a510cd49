// Activations with samples in lanes, [N/16][C][H][W][16], whose rows begin and end with columns of zeros.
//
// A convolution with padding reads past the ends of its rows; with the zeros in place it needs no special
// cases.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/base/buffer.h"
#include "kernels/cpu/simd/kernels.h"
#include "kernels/cpu/step.h"
#include "kernels/cpu/threads.h"

namespace dml::cpu {

inline std::int64_t lanes_block_count(std::int64_t samples) {
  return (samples + kSamplesPerBlock - 1) / kSamplesPerBlock;
}

struct LanesShape {
  std::int64_t blocks = 0, C = 0, H = 0, W = 0;
};

class PaddedLanes {
 public:
  PaddedLanes() = default;
  /// Memory of its own, zero until written.
  PaddedLanes(const LanesShape& shape, std::int64_t padding) : shape_(shape), padding_(padding) {
    buffer_ = HostBuffer(shape.blocks * shape.C * plane_elements(), DType::f32);
    values_ = buffer_.as<float>().data();
  }
  /// A padded copy of `source`, made by refresh(); without padding the source itself.
  PaddedLanes(const dnnl::memory& source, const LanesShape& shape, std::int64_t padding)
      : shape_(shape), padding_(padding), source_(source) {
    if (padding > 0) buffer_ = HostBuffer(shape.blocks * shape.C * plane_elements(), DType::f32);
    values_ = padding > 0 ? buffer_.as<float>().data() : floats(source);
  }

  /// Points of a row, zeros included.
  [[nodiscard]] std::int64_t width() const { return shape_.W + 2 * padding_; }
  [[nodiscard]] std::int64_t padding_elements() const { return padding_ * kSamplesPerBlock; }
  /// The first row of plane block * C + c, at its first zero.
  [[nodiscard]] float* plane(std::int64_t index) const { return values_ + index * plane_elements(); }
  [[nodiscard]] float* block(std::int64_t index) const { return plane(index * shape_.C); }

  /// Copies the source between its zeros.
  void refresh(bool worth_a_team) const {
    if (padding_ == 0) return;
    const std::int64_t row = shape_.W * kSamplesPerBlock;
    parallel_items(shape_.blocks * shape_.C, worth_a_team, [&](std::int64_t index, int /*worker*/) {
      const float* const from = floats(source_) + index * shape_.H * row;
      float* const to = plane(index) + padding_elements();
      for (std::int64_t h = 0; h < shape_.H; ++h) {
        std::copy_n(from + h * row, row, to + h * width() * kSamplesPerBlock);
      }
    });
  }

 private:
  [[nodiscard]] std::int64_t plane_elements() const { return shape_.H * width() * kSamplesPerBlock; }

  LanesShape shape_;
  std::int64_t padding_ = 0;
  dnnl::memory source_;
  HostBuffer buffer_;
  float* values_ = nullptr;
};

}  // namespace dml::cpu
