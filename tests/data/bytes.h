// Files with chosen content, for tests and for the seeds of the fuzzers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>
#include <zlib.h>

#include "kernels/base/error.h"

namespace dml::testing {

using Bytes = std::vector<std::uint8_t>;

inline void write_bytes(const std::string& path, std::span<const std::uint8_t> bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw IoError(path + ": the test could not write it");
}

inline Bytes read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// One gzip member holding `content`.
inline Bytes gzip(const Bytes& content) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw InternalError("the test could not start zlib");
  }
  Bytes compressed(deflateBound(&stream, content.size()) + 32);
  Bytes input = content;
  stream.next_in = input.data();
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = compressed.data();
  stream.avail_out = static_cast<uInt>(compressed.size());
  const int status = deflate(&stream, Z_FINISH);
  compressed.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) throw InternalError("the test could not compress");
  return compressed;
}

/// All parts, one after the other.
template <class... Parts>
Bytes joined(const Parts&... parts) {
  Bytes whole;
  (whole.insert(whole.end(), parts.begin(), parts.end()), ...);
  return whole;
}

}  // namespace dml::testing
