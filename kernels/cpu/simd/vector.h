// Short vectors as the compilers' vector extension has them: arithmetic and comparisons by element, `mask ? a
// : b` picks by element. Wider than the machine's registers they are split by the compiler, so 16 floats work
// anywhere.
#pragma once

#include <cstdint>

#ifndef DML_ISA
#error "vectors are for the files of kernels/cpu/simd, which are compiled per instruction set"
#endif

namespace dml::cpu::DML_ISA {

/// Lanes of the widest vector the instruction set has.
#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

using Floats [[gnu::vector_size(kLanes * sizeof(float))]] = float;
using Ints [[gnu::vector_size(kLanes * sizeof(float))]] = std::int32_t;
using Float4 [[gnu::vector_size(16)]] = float;
using Int4 [[gnu::vector_size(16)]] = std::int32_t;
using Float1 [[gnu::vector_size(4)]] = float;
using Int1 [[gnu::vector_size(4)]] = std::int32_t;

/// Memory is aligned for its elements, not for vectors.
template <class Vector, class Element>
inline Vector load(const Element* from) {
  Vector value;
  __builtin_memcpy(&value, from, sizeof(value));
  return value;
}

template <class Vector, class Element>
inline void store(Element* to, const Vector& value) {
  __builtin_memcpy(to, &value, sizeof(value));
}

/// True in the lanes that hold a NaN, the only values that differ from themselves.
template <class Vector>
inline auto is_nan(const Vector& value) {
  return value != value;  // NOLINT(misc-redundant-expression)
}

/// The sum over the lanes, by halves: the same order on every machine with vectors this wide.
inline float sum_of_lanes(const Floats& value) {
  float lanes[kLanes];
  store(lanes, value);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

}  // namespace dml::cpu::DML_ISA
