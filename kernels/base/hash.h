// XXH3 hashes as the "xxh3:<16 hex digits>" strings that reports and checkpoints carry.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace dml {

std::string xxh3(std::span<const std::byte> bytes);
std::string xxh3(const std::string& text);

}  // namespace dml
