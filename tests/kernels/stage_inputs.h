// What a stage is run with: numbers that are the same on every run and every backend.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/kernels/stage_cases.h"

namespace dml::test {

enum class Values {
  small_integers,  ///< sums are exact in every order: results must be equal up to the first exp or log
  reals            ///< results must be within the bound the oracle derives
};

/// Everything a stage reads, and the gradients it starts from.
struct Inputs {
  std::vector<double> parameters, input, output_gradient, earlier_gradients;
  std::vector<std::uint8_t> images, labels;
  std::vector<std::int64_t> indices;
};

/// The ends of a stage. `samples` is 0 when it has neither gather nor loss.
struct StageExtent {
  std::int64_t samples = 0;          ///< indices to write
  std::int64_t input_elements = 0;   ///< 0 after a gather
  std::int64_t output_elements = 0;  ///< 0 for a loss
  std::int64_t pixels = 0;           ///< of one image, after a gather
  std::int64_t classes = 0;          ///< of the loss
  bool gathers = false, ends_in_loss = false;
};

StageExtent extent_of(const StageCase& stage);

/// Reals are rounded to fp32, weights scaled to keep activations near 1, as an initialisation would.
Inputs make_inputs(const StageCase& stage, Values values, std::uint64_t seed);

}  // namespace dml::test
