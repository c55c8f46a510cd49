// What every fuzz target checks: a parser of foreign bytes answers with a value or with a DataError, nothing
// else.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <unistd.h>
#include <vector>

#include "kernels/base/error.h"

namespace dml::fuzz {

/// Ends the process so that libFuzzer keeps the input.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "a promise does not hold: %s\n", what);
  std::abort();
}

/// Runs `parse`. A DataError is a good answer if it is one paragraph that begins with the file name; every
/// other exception escapes and counts as a finding.
template <class Parse>
void parse_foreign_bytes(const char* file, const Parse& parse) {
  try {
    parse();
  } catch (const DataError& error) {
    require(std::strncmp(error.what(), file, std::strlen(file)) == 0, "an error begins with the file name");
    require(std::strchr(error.what(), '\n') == nullptr, "an error is one paragraph");
    require(std::strlen(error.what()) < 2000, "an error is short");
  }
}

/// One file per process, in memory where the machine has such a file system.
inline std::string scratch_path() {
  const char* folder = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  return std::string(folder) + "/dml_fuzz_" + std::to_string(::getpid());
}

/// A safetensors file whose header is the input up to its first zero byte and whose data is the rest. The
/// fuzzer then need not find the length of the header again after every change.
inline std::vector<std::uint8_t> framed_safetensors(std::span<const std::uint8_t> input) {
  std::size_t header_bytes = 0;
  while (header_bytes < input.size() && input[header_bytes] != 0) ++header_bytes;
  std::vector<std::uint8_t> file;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    file.push_back(static_cast<std::uint8_t>(std::uint64_t{header_bytes} >> shift));
  }
  for (std::size_t at = 0; at < input.size(); ++at) {
    if (at != header_bytes) file.push_back(input[at]);
  }
  return file;
}

}  // namespace dml::fuzz
