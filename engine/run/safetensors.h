// The safetensors format, read and written by hand: named tensors in one file that PyTorch tools read too.
//
// Layout: u64 little-endian length of the header | header | data. The header is a JSON object, padded with
// spaces:
//   {"__metadata__": {"key": "text"}, "conv1.weight": {"dtype": "F32", "shape": [6,1,5,5], "data_offsets":
//   [0,600]}}
// Offsets count from the first byte of the data. Tensors are row-major and little-endian, neither overlap nor
// leave holes, and cover the data exactly. Source: the format section of the safetensors README.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/run/named_tensor.h"
#include "kernels/base/buffer.h"

namespace dml {

constexpr std::int64_t kMaxSafetensorsBytes = std::int64_t{64} << 30;

using SafetensorsMetadata = std::map<std::string, std::string>;

/// A file in memory. Owns the values its tensors show; each is 64-byte aligned wherever it lay in the file.
struct SafetensorsFile {
  SafetensorsMetadata metadata;
  std::vector<NamedTensor> tensors;  ///< in the order of the data
  std::vector<HostBuffer> buffers;   ///< what the tensors show, in the same order

  /// The tensor of that name, or nullptr.
  [[nodiscard]] const NamedTensor* find(const std::string& name) const;
};

/// Parses the bytes of a safetensors file. Throws DataError naming `file`, the tensor and the rule that is
/// broken. Types: F32, F64, I32, I64, U8; every other one is refused by name.
SafetensorsFile parse_safetensors(std::span<const std::uint8_t> bytes, const std::string& file);

/// The same from a file. Throws IoError when it cannot be read.
SafetensorsFile read_safetensors(const std::string& path);

/// Writes the tensors in the given order, atomically (atomic_file.h). Names are unique valid UTF-8 and not
/// "__metadata__". The same arguments give the same bytes. Throws IoError.
void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const SafetensorsMetadata& metadata);

}  // namespace dml
