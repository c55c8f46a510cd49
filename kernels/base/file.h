// Reading a whole file into memory, with the operating system's refusals as IoError.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dml {

/// The bytes of a regular file. Throws IoError naming path and cause when it cannot be opened or read or is
/// not a regular file (a pipe never blocks the caller), DataError when it is larger than `max_bytes`.
std::vector<std::uint8_t> read_file(const std::string& path, std::int64_t max_bytes);

}  // namespace dml
