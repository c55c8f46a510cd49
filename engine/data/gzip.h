// A gzip stream read piece by piece, every check of the format included.
//
// Layout (RFC 1952): one or more members, each a header (1f 8b ...), deflate data, CRC-32 and length; the
// content is the concatenation of the members' contents. zlib checks a member; this class adds what zlib
// leaves to its caller: further members, truncation and bytes after the last member.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct z_stream_s;

namespace dml {

/// No deflate stream expands by more than this: at best two bits stand for a match of 258 bytes.
constexpr std::uint64_t kMaxDeflateRatio = 1032;

/// True when the bytes begin as a gzip member does.
bool is_gzip(std::span<const std::uint8_t> bytes);

/// Decompresses bytes that somebody else owns. The caller decides how much it takes, so a stream that expands
/// without end costs no more than the caller's own buffer.
class GzipReader {
 public:
  /// `file` is the name that errors carry.
  GzipReader(std::span<const std::uint8_t> compressed, std::string file);

  /// Fills `out`; returns the number of bytes written, less than out.size() only at the end of the content,
  /// which has then passed its checksums. Throws DataError for damage, truncation and trailing garbage.
  std::size_t read(std::span<std::uint8_t> out);

 private:
  struct End {
    void operator()(z_stream_s* stream) const noexcept;
  };

  void feed();
  void begin_next_member();
  [[noreturn]] void fail(const std::string& what) const;

  std::span<const std::uint8_t> rest_;  ///< compressed bytes that zlib has not been shown yet
  std::size_t compressed_bytes_;
  std::string file_;
  bool finished_ = false;
  std::unique_ptr<z_stream_s, End> stream_;
};

}  // namespace dml
