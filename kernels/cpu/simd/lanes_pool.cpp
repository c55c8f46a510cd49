// Max pooling with samples in vector lanes, fused behind a convolution row by row.
//
//   x rows of points of 16 samples   y (Q,16)   choice (Q,16): which element of its window a sample took
//
// Windows do not overlap, so going back every element of dx is written once, with no sums and no zeroing
// before.
#include "kernels/cpu/simd/internal.h"
#include "kernels/cpu/simd/vector.h"

namespace dml::cpu::DML_ISA {
namespace {

using Bytes [[gnu::vector_size(kLanes)]] = std::uint8_t;

}  // namespace

void lanes_pool_row(const LanesPool& pool, const float* x, float* y, std::uint8_t* choice) {
  for (std::int64_t q = 0; q < pool.Q; ++q) {
    for (std::int64_t lane = 0; lane < kSamplesPerBlock; lane += kLanes) {
      const float* const window = x + q * pool.stride * kSamplesPerBlock + lane;
      auto best = load<Floats>(window);
      Ints winner = {};
      for (std::int64_t r = 0; r < pool.window; ++r) {
        for (std::int64_t s = 0; s < pool.window; ++s) {
          const auto value = load<Floats>(window + (r * pool.x_row + s) * kSamplesPerBlock);
          const Ints wins = (value > best) | is_nan(value);
          best = wins ? value : best;
          winner = wins ? Ints{} + static_cast<std::int32_t>(r * pool.window + s) : winner;
        }
      }
      if (pool.relu) {
        winner = best > 0 ? winner : Ints{} + std::int32_t{kNoChoice};
        best = best < 0 ? Floats{} : best;
      }
      store(y + q * kSamplesPerBlock + lane, best);
      store(choice + q * kSamplesPerBlock + lane, __builtin_convertvector(winner, Bytes));
    }
  }
}

void lanes_unpool_row(const LanesPool& pool, const float* dy, const std::uint8_t* choice, float* dx) {
  for (std::int64_t q = 0; q < pool.Q; ++q) {
    for (std::int64_t lane = 0; lane < kSamplesPerBlock; lane += kLanes) {
      const auto gradient = load<Floats>(dy + q * kSamplesPerBlock + lane);
      const Ints winner = __builtin_convertvector(load<Bytes>(choice + q * kSamplesPerBlock + lane), Ints);
      float* const window = dx + q * pool.stride * kSamplesPerBlock + lane;
      for (std::int64_t r = 0; r < pool.window; ++r) {
        for (std::int64_t s = 0; s < pool.window; ++s) {
          const Floats share = winner == static_cast<std::int32_t>(r * pool.window + s) ? gradient : Floats{};
          store(window + (r * pool.x_row + s) * kSamplesPerBlock, share);
        }
      }
    }
  }
}

}  // namespace dml::cpu::DML_ISA
