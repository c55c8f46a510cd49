#include "engine/data/idx.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <optional>

#include "engine/data/gzip.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace dml {
namespace {

// The largest set of the family (EMNIST by class) is 640 MB; more than this is a lie or another kind of file.
constexpr std::uint64_t kMaxBytes = std::uint64_t{2} << 30U;
constexpr std::uint8_t kTypeU8 = 0x08;
constexpr std::size_t kMagicBytes = 4;
constexpr std::size_t kSizeBytes = 4;

/// The content of a file, plain or gzip, as a stream.
class Content {
 public:
  Content(std::span<const std::uint8_t> bytes, const std::string& file) : rest_(bytes) {
    if (is_gzip(bytes)) gzip_.emplace(bytes, file);
  }

  /// Fills `out`; less only at the end of the content.
  std::size_t read(std::span<std::uint8_t> out) {
    if (gzip_) return gzip_->read(out);
    const std::size_t count = std::min(out.size(), rest_.size());
    std::copy_n(rest_.begin(), count, out.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  std::span<const std::uint8_t> rest_;
  std::optional<GzipReader> gzip_;
};

/// The name of a type that is not u8.
std::string type_name(std::uint8_t type) {
  switch (type) {
    case 0x09:
      return "i8";
    case 0x0B:
      return "i16";
    case 0x0C:
      return "i32";
    case 0x0D:
      return "f32";
    case 0x0E:
      return "f64";
    default:
      break;
  }
  char text[16];
  std::snprintf(text, sizeof text, "unknown 0x%02x", static_cast<unsigned>(type));
  return text;
}

std::string kind_name(int dimensions) {
  return (dimensions == 1 ? "labels" : "images") + std::string(" (") + std::to_string(dimensions) +
         (dimensions == 1 ? " dimension)" : " dimensions)");
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

void check_magic(std::span<const std::uint8_t> magic, const std::string& file, int dimensions) {
  if (magic[0] != 0 || magic[1] != 0) {
    char found[16];
    std::snprintf(found, sizeof found, "%02x %02x", static_cast<unsigned>(magic[0]),
                  static_cast<unsigned>(magic[1]));
    throw DataError(file + ": is not an IDX file: it begins with " + found +
                    " where 00 00 is expected; check that the right file lies here, or download it again");
  }
  if (magic[2] != kTypeU8) {
    throw DataError(file + ": holds values of type " + type_name(magic[2]) +
                    " where u8 (0x08) is expected; images and labels of the MNIST family are u8");
  }
  if (magic[3] != dimensions) {
    throw DataError(file + ": has " + std::to_string(static_cast<int>(magic[3])) + " dimensions where " +
                    kind_name(dimensions) +
                    " are expected; check that images and labels have not been exchanged");
  }
}

/// The number of values the header promises, once it is known to be possible.
std::uint64_t check_promise(const std::vector<std::int64_t>& shape, const std::string& file) {
  std::uint64_t values = 1;
  for (const std::int64_t size : shape) {
    if (size == 0) {
      throw DataError(file + ": is empty: its header says " + shape_text(shape) +
                      " values; use a file with at least one sample");
    }
    // Each size is below 2^32 and values at most 2^31 before this line, so the product cannot overflow.
    values *= static_cast<std::uint64_t>(size);
    if (values > kMaxBytes) {
      throw DataError(file + ": its header says " + shape_text(shape) + " values, more than the limit of " +
                      std::to_string(kMaxBytes) + "; the header is damaged, download the file again");
    }
  }
  return values;
}

}  // namespace

IdxArray parse_idx(std::span<const std::uint8_t> bytes, const std::string& file, int dimensions) {
  DML_ASSERT(dimensions >= 1 && dimensions <= 3, "IDX arrays of the MNIST family have 1 to 3 dimensions");
  Content content(bytes, file);
  std::vector<std::uint8_t> header(kMagicBytes + kSizeBytes * static_cast<std::size_t>(dimensions));
  const std::size_t header_found = content.read(header);
  if (header_found >= kMagicBytes) check_magic(header, file, dimensions);
  if (header_found < header.size()) {
    throw DataError(file + ": is too short for an IDX header of " + kind_name(dimensions) + ": " +
                    std::to_string(header_found) + " bytes found, " + std::to_string(header.size()) +
                    " expected; download or copy the file again");
  }

  IdxArray array;
  for (std::size_t at = kMagicBytes; at < header.size(); at += kSizeBytes) {
    array.shape.push_back((std::int64_t{header[at]} << 24) | (std::int64_t{header[at + 1]} << 16) |
                          (std::int64_t{header[at + 2]} << 8) | std::int64_t{header[at + 3]});
  }
  const std::uint64_t promised = check_promise(array.shape, file);
  // Decided before anything is allocated: a file this small cannot hold that much.
  const std::uint64_t possible =
      is_gzip(bytes) ? bytes.size() * kMaxDeflateRatio : bytes.size() - header.size();
  const auto too_short = [&](const std::string& found) {
    return DataError(file + ": is too short: its header says " + shape_text(array.shape) + " = " +
                     std::to_string(promised) + " values, but " + found +
                     "; download or copy the file again");
  };
  if (promised > possible) throw too_short("its size allows at most " + std::to_string(possible));

  array.values.resize(promised);
  const std::size_t found = content.read(array.values);
  if (found < promised) throw too_short(std::to_string(found) + " were found");
  // Reading past the promised end also makes a gzip stream check its last checksum.
  std::uint8_t extra = 0;
  if (content.read({&extra, 1}) != 0) {
    throw DataError(file + ": has trailing bytes: its header says " + shape_text(array.shape) + " = " +
                    std::to_string(promised) +
                    " values, but more follow; the header or the file is damaged, download " + "it again");
  }
  return array;
}

IdxArray read_idx(const std::string& path, int dimensions) {
  return parse_idx(read_file(path, static_cast<std::int64_t>(kMaxBytes)), path, dimensions);
}

}  // namespace dml
