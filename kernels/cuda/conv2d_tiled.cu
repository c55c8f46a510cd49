// Convolutions of any shape as tiled matrix products (tiled_gemm.cuh) whose operands are gathered where they
// are read: nothing is unfolded in memory.
//
//                      M   N         K       A                        B
//   forward            K   N P Q     C R S   weight (K, C R S)        x under the taps of each place
//   input gradient     C   N H W     K R S   weight, turned           dz of the places whose taps meet (h,w)
//   weight gradient    K   C R S+1   N P Q   dz (n, k, p, q)          x as in forward; ones, for the bias
// dz is dy behind the ReLU, undone where it is read.
#include "kernels/cuda/conv2d_tiled.h"
#include "kernels/cuda/divisor.cuh"
#include "kernels/cuda/tiled_gemm.cuh"

namespace dml::DML_DEVICE {
namespace {

/// A ConvolutionShape in 32 bits, with the divisions that turn flat indices into places.
struct Geometry {
  int C, H, W, K, R, S, P, Q;
  int stride, padding, dilation;
  Divisor by_PQ, by_Q, by_HW, by_W, by_RS, by_S, by_stride;

  explicit Geometry(const ConvolutionShape& s)
      : C(static_cast<int>(s.C)),
        H(static_cast<int>(s.H)),
        W(static_cast<int>(s.W)),
        K(static_cast<int>(s.K)),
        R(static_cast<int>(s.R)),
        S(static_cast<int>(s.S)),
        P(static_cast<int>(s.P())),
        Q(static_cast<int>(s.Q())),
        stride(static_cast<int>(s.stride)),
        padding(static_cast<int>(s.padding)),
        dilation(static_cast<int>(s.dilation)),
        by_PQ(s.P() * s.Q()),
        by_Q(s.Q()),
        by_HW(s.H * s.W),
        by_W(s.W),
        by_RS(s.R * s.S),
        by_S(s.S),
        by_stride(s.stride) {}
};

/// A flat index taken apart: plane, row, column.
struct Place {
  int plane, row, column;
};

__device__ __forceinline__ Place place_of(int index, const Divisor& by_plane, const Divisor& by_row) {
  const std::uint32_t flat = static_cast<std::uint32_t>(index);
  const std::uint32_t plane = by_plane.quotient(flat);
  const std::uint32_t rest = by_plane.remainder(flat, plane);
  const std::uint32_t row = by_row.quotient(rest);
  return {static_cast<int>(plane), static_cast<int>(row), static_cast<int>(by_row.remainder(rest, row))};
}

/// x under tap (r,s) of the output whose window begins at (top, left); 0 in the padding.
__device__ __forceinline__ float tap(const Geometry& g, const float* plane, int top, int left, int r, int s) {
  const int h = top + r * g.dilation;
  const int w = left + s * g.dilation;
  const bool inside = static_cast<unsigned>(h) < static_cast<unsigned>(g.H) &&
                      static_cast<unsigned>(w) < static_cast<unsigned>(g.W);
  return inside ? plane[h * g.W + w] : 0.0F;
}

/// B of the forward pass: line n = (sample, p, q), reduction over (c, r, s).
struct InputWindows {
  static constexpr bool kAlongReduction = false;
  Geometry g;
  const float* x;

  struct Line {
    const float* sample;
    int top, left;
  };
  __device__ __forceinline__ Line line(int outer) const {
    const Place at = place_of(outer, g.by_PQ, g.by_Q);
    return {x + static_cast<std::int64_t>(at.plane) * g.C * g.H * g.W, at.row * g.stride - g.padding,
            at.column * g.stride - g.padding};
  }
  __device__ __forceinline__ float load(const Line& line, int k) const {
    const Place at = place_of(k, g.by_RS, g.by_S);
    return tap(g, line.sample + at.plane * g.H * g.W, line.top, line.left, at.row, at.column);
  }
};

/// B of the weight gradient: line (c, r, s), reduction over (sample, p, q).
struct InputTaps {
  static constexpr bool kAlongReduction = true;
  Geometry g;
  const float* x;

  struct Line {
    int c, r, s;
  };
  __device__ __forceinline__ Line line(int outer) const {
    const Place at = place_of(outer, g.by_RS, g.by_S);
    return {at.plane, at.row, at.column};
  }
  __device__ __forceinline__ float load(const Line& line, int k) const {
    const Place at = place_of(k, g.by_PQ, g.by_Q);
    const float* const plane = x + (static_cast<std::int64_t>(at.plane) * g.C + line.c) * g.H * g.W;
    return tap(g, plane, at.row * g.stride - g.padding, at.column * g.stride - g.padding, line.r, line.s);
  }
};

/// A of the weight gradient: line k, reduction over (sample, p, q).
struct GradientPlanes {
  static constexpr bool kAlongReduction = true;
  Geometry g;
  MaskedGradient gradient;

  struct Line {
    int k;
  };
  __device__ __forceinline__ Line line(int outer) const { return {outer}; }
  __device__ __forceinline__ MaskedGradient::Value load(const Line& line, int k) const {
    const std::uint32_t sample = g.by_PQ.quotient(static_cast<std::uint32_t>(k));
    const std::uint32_t pixel = g.by_PQ.remainder(static_cast<std::uint32_t>(k), sample);
    return gradient.load((static_cast<std::int64_t>(sample) * g.K + line.k) * g.by_PQ.divisor + pixel);
  }
};

/// A of the input gradient: line c, reduction over (k, r, s).
struct TurnedWeights {
  static constexpr bool kAlongReduction = true;
  Geometry g;
  const float* weight;

  struct Line {
    int c;
  };
  __device__ __forceinline__ Line line(int outer) const { return {outer}; }
  __device__ __forceinline__ float load(const Line& line, int k) const {
    const std::uint32_t filter = g.by_RS.quotient(static_cast<std::uint32_t>(k));
    const std::uint32_t place = g.by_RS.remainder(static_cast<std::uint32_t>(k), filter);
    return weight[(static_cast<std::int64_t>(filter) * g.C + line.c) * g.by_RS.divisor + place];
  }
};

/// B of the input gradient: line n = (sample, h, w), reduction over (k, r, s).
struct GradientWindows {
  static constexpr bool kAlongReduction = false;
  Geometry g;
  MaskedGradient gradient;

  struct Line {
    std::int64_t sample;  ///< where its planes begin
    int bottom, right;    ///< p stride + r dilation = bottom
  };
  __device__ __forceinline__ Line line(int outer) const {
    const Place at = place_of(outer, g.by_HW, g.by_W);
    return {static_cast<std::int64_t>(at.plane) * g.K * g.P * g.Q, at.row + g.padding, at.column + g.padding};
  }
  __device__ __forceinline__ MaskedGradient::Value load(const Line& line, int k) const {
    const Place at = place_of(k, g.by_RS, g.by_S);
    const int down = line.bottom - at.row * g.dilation;
    const int across = line.right - at.column * g.dilation;
    if (down < 0 || across < 0) return {};
    const std::uint32_t p = g.by_stride.quotient(static_cast<std::uint32_t>(down));
    const std::uint32_t q = g.by_stride.quotient(static_cast<std::uint32_t>(across));
    const bool meets = g.by_stride.remainder(static_cast<std::uint32_t>(down), p) == 0 &&
                       g.by_stride.remainder(static_cast<std::uint32_t>(across), q) == 0;
    if (!meets || p >= static_cast<std::uint32_t>(g.P) || q >= static_cast<std::uint32_t>(g.Q)) return {};
    return gradient.load(line.sample + (static_cast<std::int64_t>(at.plane) * g.P + p) * g.Q + q);
  }
};

/// Result (channel, sample and pixel) to NCHW.
struct StorePlanes {
  Divisor by_pixels;
  float* values;
  const float* bias;  ///< null: none
  int channels;
  bool relu;

  __device__ __forceinline__ void operator()(int m, int n, float sum) const {
    const std::uint32_t sample = by_pixels.quotient(static_cast<std::uint32_t>(n));
    const std::uint32_t pixel = by_pixels.remainder(static_cast<std::uint32_t>(n), sample);
    const float value = bias == nullptr ? sum : with_relu(sum + bias[m], relu);
    values[(static_cast<std::int64_t>(sample) * channels + m) * by_pixels.divisor + pixel] = value;
  }
};

/// The matrices of the three products.
struct Products {
  std::int64_t pixels, input_pixels, taps, turned_taps;
  explicit Products(const ConvolutionShape& s)
      : pixels(s.N * s.P() * s.Q()),
        input_pixels(s.N * s.H * s.W),
        taps(s.C * s.R * s.S),
        turned_taps(s.K * s.R * s.S) {}
};

}  // namespace

std::string conv2d_tiled_broken_rule(const ConvolutionShape& s) {
  constexpr std::int64_t kMostChannels = 65535;  // rows of tiles lie along y of a grid
  if (std::max(s.K, s.C) > kMostChannels) return "a layer has at most 65535 channels";
  constexpr std::int64_t kLargest = std::int64_t{1} << 31;
  const Products products(s);
  const std::int64_t reach =
      (s.H + 2 * s.padding + s.dilation * s.R) * (s.W + 2 * s.padding + s.dilation * s.S);
  const bool fits = std::max({products.pixels, products.input_pixels, products.taps, products.turned_taps,
                              reach}) < kLargest / 2 &&
                    s.K * products.pixels < kLargest && s.C * products.input_pixels < kLargest &&
                    s.K * (products.taps + 1) < kLargest;
  return fits ? "" : kTooManyElements;
}

std::int64_t conv2d_tiled_forward_workspace(const ConvolutionShape& s) {
  const Products products(s);
  return gemm_workspace(s.K, products.pixels, products.taps);
}

void conv2d_tiled_forward(const ConvolutionShape& s, const float* x, const float* weight, const float* bias,
                          const ConvolutionOutput& output, float* workspace, DeviceStream& stream) {
  const Products products(s);
  const Geometry g(s);
  tiled_gemm("tiled_gemm(conv2d_forward)", s.K, products.pixels, products.taps,
             RowsAlongReduction{weight, static_cast<int>(products.taps)}, InputWindows{g, x},
             StorePlanes{g.by_PQ, output.y, bias, g.K, output.relu}, workspace, stream);
}

std::int64_t conv2d_tiled_input_gradient_workspace(const ConvolutionShape& s) {
  const Products products(s);
  return gemm_workspace(s.C, products.input_pixels, products.turned_taps);
}

void conv2d_tiled_input_gradient(const ConvolutionShape& s, const ConvolutionOutputGradient& gradient,
                                 const float* weight, float* dx, float* workspace, DeviceStream& stream) {
  const Products products(s);
  const Geometry g(s);
  tiled_gemm("tiled_gemm(conv2d_input_gradient)", s.C, products.input_pixels, products.turned_taps,
             TurnedWeights{g, weight}, GradientWindows{g, {gradient.dy, gradient.y}},
             StorePlanes{g.by_HW, dx, nullptr, g.C, false}, workspace, stream);
}

std::int64_t conv2d_tiled_weight_gradient_workspace(const ConvolutionShape& s) {
  const Products products(s);
  return weight_gradient_workspace(s.K, products.taps, products.pixels);
}

void conv2d_tiled_weight_gradient(const ConvolutionShape& s, const float* x,
                                  const ConvolutionOutputGradient& gradient, float* dweight, float* dbias,
                                  bool accumulate, float* workspace, DeviceStream& stream) {
  const Products products(s);
  const Geometry g(s);
  weight_gradient_gemm("tiled_gemm(conv2d_weight_gradient)", s.K, products.taps, products.pixels,
                       GradientPlanes{g, {gradient.dy, gradient.y}}, InputTaps{g, x}, dweight, dbias,
                       accumulate, workspace, stream);
}

}  // namespace dml::DML_DEVICE
