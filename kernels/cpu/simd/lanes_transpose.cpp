// Between samples in lanes and samples one after another.
//
//   lanes (elements,16)   plain (samples, elements), samples <= 16
//
// In tiles of 16 elements, which keep both sides in the first cache; the compiler sees constant trip counts.
#include "kernels/cpu/simd/internal.h"

namespace dml::cpu::DML_ISA {
namespace {
constexpr std::int64_t kTile = 16;
}

void lanes_to_plain(const float* lanes, std::int64_t samples, std::int64_t elements, float* plain) {
  std::int64_t i = 0;
  for (; i + kTile <= elements; i += kTile) {
    for (std::int64_t n = 0; n < samples; ++n) {
      for (std::int64_t j = 0; j < kTile; ++j)
        plain[n * elements + i + j] = lanes[(i + j) * kSamplesPerBlock + n];
    }
  }
  for (; i < elements; ++i) {
    for (std::int64_t n = 0; n < samples; ++n) plain[n * elements + i] = lanes[i * kSamplesPerBlock + n];
  }
}

void plain_to_lanes(const float* plain, std::int64_t samples, std::int64_t elements, float* lanes) {
  std::int64_t i = 0;
  for (; i + kTile <= elements; i += kTile) {
    for (std::int64_t n = 0; n < samples; ++n) {
      for (std::int64_t j = 0; j < kTile; ++j)
        lanes[(i + j) * kSamplesPerBlock + n] = plain[n * elements + i + j];
    }
  }
  for (; i < elements; ++i) {
    for (std::int64_t n = 0; n < samples; ++n) lanes[i * kSamplesPerBlock + n] = plain[n * elements + i];
  }
  for (std::int64_t n = samples; n < kSamplesPerBlock; ++n) {
    for (std::int64_t j = 0; j < elements; ++j) lanes[j * kSamplesPerBlock + n] = 0;
  }
}

}  // namespace dml::cpu::DML_ISA
