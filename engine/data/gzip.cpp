#include "engine/data/gzip.h"

#include <algorithm>
#include <utility>
#include <zlib.h>

#include "kernels/base/error.h"

namespace dml {
namespace {

constexpr int kWindowBitsGzip = 15 + 16;           // the largest window, gzip wrapping only
constexpr std::size_t kMaxChunkBytes = 1U << 30U;  // zlib counts in 32 bits
constexpr std::size_t kMagicBytes = 2;

}  // namespace

bool is_gzip(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= kMagicBytes && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

void GzipReader::End::operator()(z_stream_s* stream) const noexcept {
  inflateEnd(stream);
  delete stream;
}

GzipReader::GzipReader(std::span<const std::uint8_t> compressed, std::string file)
    : rest_(compressed),
      compressed_bytes_(compressed.size()),
      file_(std::move(file)),
      stream_(new z_stream_s{}) {
  if (inflateInit2(stream_.get(), kWindowBitsGzip) != Z_OK) {
    throw UnavailableError(file_ + ": zlib could not start (out of memory)");
  }
  feed();
}

std::size_t GzipReader::read(std::span<std::uint8_t> out) {
  std::size_t written = 0;
  while (written < out.size() && !finished_) {
    const std::size_t wanted = std::min(out.size() - written, kMaxChunkBytes);
    stream_->next_out = out.data() + written;
    stream_->avail_out = static_cast<uInt>(wanted);
    feed();
    const int status = inflate(stream_.get(), Z_NO_FLUSH);
    written += wanted - stream_->avail_out;
    if (status == Z_STREAM_END) {
      begin_next_member();
    } else if (status == Z_BUF_ERROR && stream_->avail_in == 0 && rest_.empty()) {
      fail("the gzip stream ends in the middle: the file is truncated");
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      fail(std::string("the gzip stream is damaged (") +
           (stream_->msg != nullptr ? stream_->msg : "zlib error") + ")");
    }
  }
  return written;
}

/// Shows zlib the next piece of input once it has consumed the last one.
void GzipReader::feed() {
  if (stream_->avail_in > 0) return;
  const std::size_t count = std::min(rest_.size(), kMaxChunkBytes);
  stream_->next_in = const_cast<Bytef*>(rest_.data());  // zlib's interface lacks the const; it only reads
  stream_->avail_in = static_cast<uInt>(count);
  rest_ = rest_.subspan(count);
}

/// A member has ended with a correct checksum: what follows is another member, or nothing.
void GzipReader::begin_next_member() {
  const std::size_t left = stream_->avail_in + rest_.size();
  if (left == 0) {
    finished_ = true;
    return;
  }
  feed();
  if (!is_gzip({stream_->next_in, stream_->avail_in})) {
    fail(std::to_string(left) + " bytes follow the end of the gzip stream and are no gzip member");
  }
  if (inflateReset(stream_.get()) != Z_OK) throw InternalError("zlib refused to reset its stream");
}

void GzipReader::fail(const std::string& what) const {
  const std::size_t position = compressed_bytes_ - rest_.size() - stream_->avail_in;
  throw DataError(file_ + ": " + what + ", at byte " + std::to_string(position) + " of " +
                  std::to_string(compressed_bytes_) + "; download or copy the file again");
}

}  // namespace dml
