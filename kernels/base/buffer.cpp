#include "kernels/base/buffer.h"

#include <cstdlib>
#include <cstring>
#include <string>

namespace dml {
namespace {
constexpr std::size_t kAlignmentBytes = 64;
}

std::string mebibytes(std::size_t bytes) {
  return std::to_string((bytes + (std::size_t{1} << 20U) - 1) >> 20U) + " MiB";
}

HostBuffer::HostBuffer(std::int64_t elements, DType dtype) : elements_(elements), dtype_(dtype) {
  DML_ASSERT(elements >= 0, "a buffer of a negative size");
  const std::size_t wanted = static_cast<std::size_t>(elements) * size_in_bytes(dtype);
  const std::size_t rounded = (wanted + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  if (rounded == 0) return;
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignmentBytes, rounded)));
  if (!memory_) {
    throw OutOfMemoryError("out of memory: " + mebibytes(rounded) + " were refused by the operating system");
  }
  std::memset(memory_.get(), 0, rounded);
}

void HostBuffer::Free::operator()(std::byte* memory) const noexcept {
  std::free(memory);
}

}  // namespace dml
