// CUDA's words for kernels, emulated. What is missing here is refused: a kernel that uses it does not compile
// on the CPU (wgmma, TMA, mbarrier, textures, float atomics, __activemask, atomics of block or system scope).
//
// Only __syncthreads, __syncwarp, named barriers and fences order memory; shuffles, votes and matrix
// operations do not. Atomics are relaxed, as CUDA's are.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

#include "kernels/emulator/machine.h"

// NOLINTBEGIN: the names are CUDA's

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#if !defined(__restrict__)
#define __restrict__ __restrict
#endif

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(4) uchar4 {
  unsigned char x, y, z, w;
};
inline float2 make_float2(float x, float y) {
  return {x, y};
}
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
inline int2 make_int2(int x, int y) {
  return {x, y};
}
inline int4 make_int4(int x, int y, int z, int w) {
  return {x, y, z, w};
}
inline uint2 make_uint2(unsigned x, unsigned y) {
  return {x, y};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) {
  return {x, y, z, w};
}

#define threadIdx (::dml::emulator::current_thread->index)
#define blockIdx (::dml::emulator::current_thread->block->index)
#define blockDim (::dml::emulator::current_grid->block)
#define gridDim (::dml::emulator::current_grid->dim)
#define DML_HERE ::dml::emulator::Site here = ::dml::emulator::Site::here()

inline constexpr int warpSize = 32;

// ---- barriers

inline void __syncthreads(DML_HERE) {
  ::dml::emulator::synchronize_block(here);
}

namespace dml::emulator {

/// All lanes of `mask` meet; the last one runs f(meeting), which fills every lane's result.
template <class Out, class In, class Function>
Out warp_operation(std::uint32_t mask, const In& in, const char* doing, Site site, bool orders_memory,
                   Function&& f) {
  const InMachine machine;
  Out out{};
  if (const auto meeting = join_warp_meeting(mask, &in, &out, doing, site)) {
    f(*meeting);
    finish_warp_meeting(*meeting, orders_memory);
  }
  return out;
}

template <class Function>
void for_lanes(std::uint32_t mask, Function f) {
  for (; mask != 0; mask &= mask - 1) f(std::countr_zero(mask));
}

}  // namespace dml::emulator

inline void __syncwarp(std::uint32_t mask = ~0U, DML_HERE) {
  if (::dml::emulator::is_dropped(here)) return;
  ::dml::emulator::warp_operation<int>(mask, 0, "__syncwarp", here, true,
                                       [](::dml::emulator::WarpMeeting&) {});
}

// ---- shuffles and votes

namespace dml::emulator {

enum class Shuffle { index, up, down, exchange };

/// Source lane by the PTX definition of shfl.sync with the operands that nvcc's intrinsics pass.
constexpr int shuffle_source(Shuffle mode, int lane, int operand, int width) {
  const int b = operand & 31;
  const int segment = ~(width - 1) & 31;
  const int first = lane & segment;
  const int last = first | (31 & ~segment);
  int source = lane;
  switch (mode) {
    case Shuffle::up:
      return lane - b >= first ? lane - b : lane;
    case Shuffle::down:
      source = lane + b;
      break;
    case Shuffle::exchange:
      source = lane ^ b;  // may be an earlier segment, never a later one
      break;
    case Shuffle::index:
      source = first | (b & ~segment);
      break;
  }
  return source <= last ? source : lane;
}

template <class T>
T shuffle(std::uint32_t mask, T value, int operand, int width, Shuffle mode, Site site) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  struct In {
    T value;
    int operand;
  };
  if (width < 1 || width > 32 || !std::has_single_bit(static_cast<unsigned>(width))) {
    fail("shuffle of width " + std::to_string(width) + ", " + site.text());
  }
  const InMachine machine;
  const In in{value, operand};
  return warp_operation<T>(mask, in, "shuffle", site, false, [&](WarpMeeting& meeting) {
    for_lanes(mask, [&](int lane) {
      const int source = shuffle_source(mode, lane, static_cast<const In*>(meeting.in[lane])->operand, width);
      if ((mask >> source & 1U) == 0) {
        fail("shuffle reads lane " + std::to_string(source) + " outside its mask, " + site.text());
      }
      *static_cast<T*>(meeting.out[lane]) = static_cast<const In*>(meeting.in[source])->value;
    });
  });
}

}  // namespace dml::emulator

template <class T>
T __shfl_sync(std::uint32_t mask, T v, int lane, int width = 32, DML_HERE) {
  return ::dml::emulator::shuffle(mask, v, lane, width, ::dml::emulator::Shuffle::index, here);
}
template <class T>
T __shfl_up_sync(std::uint32_t mask, T v, unsigned delta, int width = 32, DML_HERE) {
  return ::dml::emulator::shuffle(mask, v, static_cast<int>(delta), width, ::dml::emulator::Shuffle::up,
                                  here);
}
template <class T>
T __shfl_down_sync(std::uint32_t mask, T v, unsigned delta, int width = 32, DML_HERE) {
  return ::dml::emulator::shuffle(mask, v, static_cast<int>(delta), width, ::dml::emulator::Shuffle::down,
                                  here);
}
template <class T>
T __shfl_xor_sync(std::uint32_t mask, T v, int lane_mask, int width = 32, DML_HERE) {
  return ::dml::emulator::shuffle(mask, v, lane_mask, width, ::dml::emulator::Shuffle::exchange, here);
}
inline std::uint32_t __ballot_sync(std::uint32_t mask, int predicate, DML_HERE) {
  using ::dml::emulator::for_lanes;
  return ::dml::emulator::warp_operation<std::uint32_t>(
      mask, predicate, "__ballot_sync", here, false, [&](::dml::emulator::WarpMeeting& meeting) {
        std::uint32_t votes = 0;
        for_lanes(mask, [&](int lane) {
          votes |= static_cast<std::uint32_t>(*static_cast<const int*>(meeting.in[lane]) != 0) << lane;
        });
        for_lanes(mask, [&](int lane) { *static_cast<std::uint32_t*>(meeting.out[lane]) = votes; });
      });
}
inline int __any_sync(std::uint32_t mask, int predicate, DML_HERE) {
  return static_cast<int>(__ballot_sync(mask, predicate, here) != 0);
}
inline int __all_sync(std::uint32_t mask, int predicate, DML_HERE) {
  return static_cast<int>(__ballot_sync(mask, predicate, here) == mask);
}
/// Refused: the answer depends on the scheduler. Pass the mask you mean.
std::uint32_t __activemask() = delete;

// ---- memory order and integer atomics

inline void __threadfence() {
  ::dml::emulator::fence(true);
}
inline void __threadfence_block() {
  ::dml::emulator::fence(false);
}

namespace dml::emulator {

template <class T>
std::uint64_t bits(T value) {
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  return word;
}

/// next(old) is the new value, none if the operation only reads.
template <class T, class Function>
T atomic_operation(T* address, Site site, Function next) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  const InMachine machine;
  atomic_begins(site);
  const T old = *address;
  const std::optional<T> value = next(old);
  if (value) *address = *value;
  const bool changed = value && bits(*value) != bits(old);
  atomic_ends(address, changed, bits(old), true, site);
  return old;
}

}  // namespace dml::emulator

#define DML_ATOMIC(name, expression)                                                       \
  template <class T>                                                                       \
  requires std::is_integral_v<T> T name(T* address, std::type_identity_t<T> v, DML_HERE) { \
    return ::dml::emulator::atomic_operation(address, here, [&]([[maybe_unused]] T old) {  \
      return std::optional<T>(static_cast<T>(expression));                                 \
    });                                                                                    \
  }
DML_ATOMIC(atomicAdd, old + v)
DML_ATOMIC(atomicSub, old - v)
DML_ATOMIC(atomicMax, old > v ? old : v)
DML_ATOMIC(atomicMin, old < v ? old : v)
DML_ATOMIC(atomicAnd, old& v)
DML_ATOMIC(atomicOr, old | v)
DML_ATOMIC(atomicExch, v)
#undef DML_ATOMIC
template <class T>
requires std::is_integral_v<T> T atomicCAS(T* address, std::type_identity_t<T> expected,
                                           std::type_identity_t<T> v, DML_HERE) {
  return ::dml::emulator::atomic_operation(
      address, here, [&](T old) { return old == expected ? std::optional<T>(v) : std::nullopt; });
}

// ---- small things

template <class T>
T __ldg(const T* address) {
  return *address;
}
inline void __nanosleep(unsigned, DML_HERE) {
  ::dml::emulator::yield("__nanosleep", here);
}
inline float __expf(float x) {
  return std::exp(x);
}
inline float __logf(float x) {
  return std::log(x);
}
inline float __fdividef(float x, float y) {
  return x / y;
}
inline float rsqrtf(float x) {
  return 1.0F / std::sqrt(x);
}
inline unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
inline int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
inline float __uint_as_float(unsigned x) {
  return std::bit_cast<float>(x);
}
inline float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
inline int __popc(unsigned x) {
  return std::popcount(x);
}
inline int __ffs(int x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1;
}
inline int __clz(int x) {
  return std::countl_zero(static_cast<unsigned>(x));
}
template <class A, class B>
constexpr std::common_type_t<A, B> min(A a, B b) {
  using T = std::common_type_t<A, B>;
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(a) : static_cast<T>(b);
}
template <class A, class B>
constexpr std::common_type_t<A, B> max(A a, B b) {
  using T = std::common_type_t<A, B>;
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
}
using std::isfinite;
using std::isinf;
using std::isnan;

// NOLINTEND

namespace dml::emulator {

template <class T, class Tag = T>
T& shared_memory() {
  static_assert(alignof(T) <= 16);
  static const char key = 0;  // one for every T and Tag
  return *reinterpret_cast<T*>(static_shared(&key, sizeof(T)));
}

template <class T>
T* dynamic_shared_memory() {
  return reinterpret_cast<T*>(dynamic_shared());
}

}  // namespace dml::emulator
