#include "kernels/base/hash.h"

#include <cstdio>
#include <xxhash.h>

namespace dml {

std::string xxh3(std::span<const std::byte> bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "xxh3:%016llx",
                static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  return text;
}

std::string xxh3(const std::string& text) {
  return xxh3(std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace dml
