// Element types and untyped views of memory that somebody else owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "kernels/base/error.h"

namespace dml {

enum class DType { f32, f64, u8, i32, i64 };

constexpr std::size_t size_in_bytes(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::u8:
      return 1;
  }
  return 0;
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::i64;
};

std::string to_string(DType dtype);

/// Who may read and write some memory: the program itself, or only kernels and copies of a device.
enum class Memory { host, device };

/// A flat run of `elements` values of one type. Does not own its memory; alignment is that of the type at
/// least.
struct View {
  void* data = nullptr;
  std::int64_t elements = 0;
  DType dtype = DType::f32;
  Memory memory = Memory::host;

  [[nodiscard]] std::size_t bytes() const {
    return static_cast<std::size_t>(elements) * size_in_bytes(dtype);
  }
  [[nodiscard]] bool empty() const { return elements == 0; }

  /// The same memory as a typed span; asserts that the type is the view's own and that the host may touch it.
  template <class T>
  [[nodiscard]] std::span<T> as() const {
    DML_ASSERT(memory == Memory::host, "the host read or wrote memory of a device");
    DML_ASSERT(DTypeOf<T>::value == dtype, "a view of " + to_string(dtype) + " was read as another type");
    return {static_cast<T*>(data), static_cast<std::size_t>(elements)};
  }

  /// Elements [first, first + count).
  [[nodiscard]] View slice(std::int64_t first, std::int64_t count) const {
    DML_ASSERT(first >= 0 && count >= 0 && first + count <= elements, "slice outside the view");
    return {static_cast<std::byte*>(data) + static_cast<std::size_t>(first) * size_in_bytes(dtype), count,
            dtype, memory};
  }
};

template <class T>
View view_of(std::span<T> values) {
  return {values.data(), static_cast<std::int64_t>(values.size()), DTypeOf<T>::value};
}

}  // namespace dml
