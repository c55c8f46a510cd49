// What every implementation of GatherNormalize on the CPU shares.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/cpu/step.h"

namespace dml::cpu {

/// The normalised value of each pixel value, computed in double and rounded once.
std::array<float, 256> normalization_table(const GatherNormalize& gather);

/// The image of sample n of the batch: `sample_elements` bytes of the resident set. Asserts that it is there.
const std::uint8_t* resident_image(const StageContext& stage, std::int64_t n, std::int64_t sample_elements);

}  // namespace dml::cpu
