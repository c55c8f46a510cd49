// The IDX format of the MNIST family: an array of numbers with a big-endian header, often gzip-compressed.
//
// Layout: 00 00 | type (08 = u8) | number of dimensions d | d sizes as u32 big-endian | values, row-major.
// Nothing the header says is believed before the bytes bear it out. Source: the format description on LeCun's
// MNIST page.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dml {

/// An array of u8 values; values.size() is the product of shape, and no size is zero.
struct IdxArray {
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> values;
};

/// Parses the bytes of an IDX file, plain or gzip, that must hold u8 values in `dimensions` dimensions (3:
/// images, 1: labels). Throws DataError naming `file`, the rule, what was found and what was expected. Memory
/// is bounded by what the header promises, and the promise by what the file's size allows.
IdxArray parse_idx(std::span<const std::uint8_t> bytes, const std::string& file, int dimensions);

/// The same from a file. Throws IoError when it cannot be read.
IdxArray read_idx(const std::string& path, int dimensions);

}  // namespace dml
