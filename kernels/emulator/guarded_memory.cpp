#include "kernels/emulator/guarded_memory.h"

#include <array>
#include <cstring>

namespace dml::emulator {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kRedZoneBytes = 0;
#else
constexpr std::size_t kRedZoneBytes = 1024;  // a multiple of every alignment
#endif
constexpr int kRedZone = 0xc5, kFresh = 0xff;

bool is_red_zone(const std::byte* zone) {
  static const auto untouched = [] {
    std::array<std::byte, kRedZoneBytes + 1> bytes{};
    bytes.fill(std::byte{kRedZone});
    return bytes;
  }();
  return std::memcmp(zone, untouched.data(), kRedZoneBytes) == 0;
}

}  // namespace

std::byte* new_guarded_memory(std::size_t bytes, std::align_val_t alignment) noexcept {
  auto* const zone =
      static_cast<std::byte*>(::operator new[](bytes + 2 * kRedZoneBytes, alignment, std::nothrow));
  if (zone == nullptr) return nullptr;
  std::byte* const memory = zone + kRedZoneBytes;
  std::memset(zone, kRedZone, kRedZoneBytes);
  std::memset(memory, kFresh, bytes);
  std::memset(memory + bytes, kRedZone, kRedZoneBytes);
  return memory;
}

void delete_guarded_memory(std::byte* memory, std::align_val_t alignment) noexcept {
  ::operator delete[](memory - kRedZoneBytes, alignment);
}

bool is_guard_untouched(const std::byte* memory, std::size_t bytes) {
  return is_red_zone(memory - kRedZoneBytes) && is_red_zone(memory + bytes);
}

}  // namespace dml::emulator
