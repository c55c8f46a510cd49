// IDX files made for tests.
#pragma once

#include "tests/data/bytes.h"

namespace dml::testing {

/// An IDX header for u8 values with the given sizes.
inline Bytes idx_header(const std::vector<std::uint32_t>& sizes, std::uint8_t type = 0x08) {
  Bytes bytes = {0, 0, type, static_cast<std::uint8_t>(sizes.size())};
  for (const std::uint32_t size : sizes) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes.push_back(static_cast<std::uint8_t>(size >> shift));
  }
  return bytes;
}

/// `samples` images of side x side; pixel i of the file is i mod 251.
inline Bytes idx_images(std::uint32_t samples, std::uint32_t side = 28) {
  Bytes values(std::size_t{samples} * side * side);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint8_t>(i % 251);
  return joined(idx_header({samples, side, side}), values);
}

/// Labels 0, 1, ..., 9, 0, 1, ...
inline Bytes idx_labels(std::uint32_t samples) {
  Bytes values(samples);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint8_t>(i % 10);
  return joined(idx_header({samples}), values);
}

}  // namespace dml::testing
