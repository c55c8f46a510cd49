// Sixteen images of the resident data set, pixel by pixel through a table, into the lanes of one block.
#include "kernels/cpu/simd/internal.h"

namespace dml::cpu::DML_ISA {

void gather_lanes(const float* table, const std::uint8_t* const* images, std::int64_t samples,
                  std::int64_t elements, float* y) {
  constexpr std::int64_t kBytes = 8;  // pixels of one image that one load brings
  for (std::int64_t n = samples; n < kSamplesPerBlock; ++n) {
    for (std::int64_t i = 0; i < elements; ++i) y[i * kSamplesPerBlock + n] = 0;
  }
  std::int64_t i = 0;
  for (; i + kBytes <= elements; i += kBytes) {
    for (std::int64_t n = 0; n < samples; ++n) {
      std::uint8_t pixels[kBytes];
      __builtin_memcpy(pixels, images[n] + i, kBytes);
      for (std::int64_t j = 0; j < kBytes; ++j) y[(i + j) * kSamplesPerBlock + n] = table[pixels[j]];
    }
  }
  for (; i < elements; ++i) {
    for (std::int64_t n = 0; n < samples; ++n) y[i * kSamplesPerBlock + n] = table[images[n][i]];
  }
}

}  // namespace dml::cpu::DML_ISA
