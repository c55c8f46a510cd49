// Division of 32-bit indices by a number that is known when a kernel is launched: a multiplication and a
// shift.
//
//   n / d = (high32(n * magic) + n) >> shift   for 0 <= n < 2^31, with shift = ceil(log2 d) and
//   magic = floor(2^32 (2^shift - d) / d) + 1
// Granlund and Montgomery, "Division by invariant integers using multiplication", 1994, figure 4.1.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.h"

namespace dml::DML_DEVICE {

struct Divisor {
  std::uint32_t divisor = 1, magic = 1, shift = 0;

  Divisor() = default;
  __host__ explicit Divisor(std::int64_t d) : divisor(static_cast<std::uint32_t>(d)) {
    while ((std::uint64_t{1} << shift) < divisor) ++shift;
    magic = static_cast<std::uint32_t>(
        ((std::uint64_t{1} << 32) * ((std::uint64_t{1} << shift) - divisor)) / divisor + 1);
  }
  __device__ __forceinline__ std::uint32_t quotient(std::uint32_t n) const {
    const auto high = static_cast<std::uint32_t>((static_cast<std::uint64_t>(n) * magic) >> 32);
    return (high + n) >> shift;
  }
  __device__ __forceinline__ std::uint32_t remainder(std::uint32_t n, std::uint32_t its_quotient) const {
    return n - its_quotient * divisor;
  }
};

}  // namespace dml::DML_DEVICE
