// Problem shapes shared by every backend, the plan and the tests.
//
// Dimensions, the field's letters: N samples, C input channels, H x W input rows and columns, K output
// channels or features, R x S filter rows and columns, P x Q output rows and columns. Plain structs, host and
// device.
#pragma once

#include <cstdint>

namespace dml {

/// A 2-d convolution: x (N,C,H,W) * w (K,C,R,S) + b (K) = y (N,K,P,Q). Square stride, padding and dilation.
struct ConvolutionShape {
  std::int64_t N = 0, C = 0, H = 0, W = 0, K = 0, R = 0, S = 0;
  std::int64_t stride = 1, padding = 0, dilation = 1;

  [[nodiscard]] constexpr std::int64_t P() const {
    return (H + 2 * padding - dilation * (R - 1) - 1) / stride + 1;
  }
  [[nodiscard]] constexpr std::int64_t Q() const {
    return (W + 2 * padding - dilation * (S - 1) - 1) / stride + 1;
  }
  [[nodiscard]] constexpr std::int64_t input_elements() const { return N * C * H * W; }
  [[nodiscard]] constexpr std::int64_t output_elements() const { return N * K * P() * Q(); }
  [[nodiscard]] constexpr std::int64_t weight_elements() const { return K * C * R * S; }
  /// Floating-point operations of the forward pass (a multiply-add counts two).
  [[nodiscard]] constexpr double forward_flops() const {
    return 2.0 * static_cast<double>(output_elements()) * static_cast<double>(C * R * S);
  }
  bool operator==(const ConvolutionShape&) const = default;
};

/// Max pooling over windows of `window` x `window` without padding: x (N,C,H,W) -> y (N,C,P,Q).
/// Rows and columns that fill no whole window are dropped; the first maximum in row-major order wins a tie.
struct PoolShape {
  std::int64_t N = 0, C = 0, H = 0, W = 0;
  std::int64_t window = 2, stride = 2;

  [[nodiscard]] constexpr std::int64_t P() const { return (H - window) / stride + 1; }
  [[nodiscard]] constexpr std::int64_t Q() const { return (W - window) / stride + 1; }
  [[nodiscard]] constexpr std::int64_t input_elements() const { return N * C * H * W; }
  [[nodiscard]] constexpr std::int64_t output_elements() const { return N * C * P() * Q(); }
  bool operator==(const PoolShape&) const = default;
};

/// A fully connected layer: x (N,C) * w (K,C)^T + b (K) = y (N,K). A producer's (N,C,H,W) is read as (N,
/// C*H*W).
struct LinearShape {
  std::int64_t N = 0, C = 0, K = 0;

  [[nodiscard]] constexpr std::int64_t input_elements() const { return N * C; }
  [[nodiscard]] constexpr std::int64_t output_elements() const { return N * K; }
  [[nodiscard]] constexpr std::int64_t weight_elements() const { return K * C; }
  [[nodiscard]] constexpr double forward_flops() const {
    return 2.0 * static_cast<double>(N) * static_cast<double>(K) * static_cast<double>(C);
  }
  bool operator==(const LinearShape&) const = default;
};

}  // namespace dml
