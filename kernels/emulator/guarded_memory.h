// Memory of the emulated device: fresh bytes are 0xff, a NaN as a float, and a red zone on either side is
// looked at now and then. AddressSanitizer has red zones of its own, which see reads as well.
#pragma once

#include <cstddef>
#include <new>

namespace dml::emulator {

/// Null when there is no memory.
std::byte* new_guarded_memory(std::size_t bytes, std::align_val_t alignment) noexcept;
void delete_guarded_memory(std::byte* memory, std::align_val_t alignment) noexcept;
/// Whether nothing was written just before or behind it.
bool is_guard_untouched(const std::byte* memory, std::size_t bytes);

}  // namespace dml::emulator
