// Short vectors as the compilers' vector extension has them: arithmetic and comparisons by element, `mask ? a
// : b` picks by element. Wider than the machine's registers they are split by the compiler, so 16 floats work
// anywhere.
#pragma once

#include <cstdint>

#ifndef DML_ISA
#error "vectors are for the files of kernels/cpu/simd, which are compiled per instruction set"
#endif

namespace dml::cpu::DML_ISA {

using Float16 [[gnu::vector_size(64)]] = float;
using Float4 [[gnu::vector_size(16)]] = float;
using Float1 [[gnu::vector_size(4)]] = float;
using Int16 [[gnu::vector_size(64)]] = std::int32_t;
using Int4 [[gnu::vector_size(16)]] = std::int32_t;
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

}  // namespace dml::cpu::DML_ISA
