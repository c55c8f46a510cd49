// Host memory that owns itself: 64-byte aligned, zero-filled, movable.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "kernels/base/view.h"

namespace dml {

/// "12 MiB", rounded up: for messages.
std::string mebibytes(std::size_t bytes);

/// `elements` values of one type, 64-byte aligned (a cache line, and the widest vector register), zero at
/// first.
class HostBuffer {
 public:
  HostBuffer() = default;
  HostBuffer(std::int64_t elements, DType dtype);

  [[nodiscard]] View view() const { return {memory_.get(), elements_, dtype_}; }
  [[nodiscard]] std::size_t bytes() const { return view().bytes(); }
  template <class T>
  [[nodiscard]] std::span<T> as() const {
    return view().as<T>();
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::int64_t elements_ = 0;
  DType dtype_ = DType::f32;
};

}  // namespace dml
