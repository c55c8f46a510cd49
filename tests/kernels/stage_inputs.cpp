#include "tests/kernels/stage_inputs.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/lowering.h"
#include "kernels/base/philox.h"

namespace dml::test {
namespace {

constexpr std::int64_t kSamples = 41;  // of the resident data set

/// Numbers that are the same on every run: element i of stream `stream`.
std::vector<double> random_reals(std::size_t elements, std::uint64_t seed, std::uint32_t stream,
                                 double scale) {
  const PhiloxStream random(seed, RandomUse::synthetic_data, stream);
  std::vector<double> values(elements);
  // Rounded to fp32, so that every backend is given the same numbers.
  for (std::size_t i = 0; i < elements; ++i) {
    values[i] = static_cast<float>((2.0 * random.uniform(i) - 1) * scale);
  }
  return values;
}

std::vector<double> random_integers(std::size_t elements, std::uint64_t seed, std::uint32_t stream,
                                    int largest) {
  const PhiloxStream random(seed, RandomUse::synthetic_data, stream);
  std::vector<double> values(elements);
  for (std::size_t i = 0; i < elements; ++i) {
    values[i] = static_cast<double>(random.word(i) % static_cast<std::uint32_t>(2 * largest + 1)) - largest;
  }
  return values;
}

}  // namespace

StageExtent extent_of(const StageCase& stage) {
  StageExtent extent;
  extent.input_elements = input_elements(stage.operations.front());
  extent.output_elements = output_elements(stage.operations.back());
  if (const auto* gather = std::get_if<GatherNormalize>(&stage.operations.front().work)) {
    extent.gathers = true;
    extent.samples = gather->N;
    extent.pixels = gather->sample_elements();
    extent.input_elements = 0;
  }
  if (const auto* softmax = std::get_if<SoftmaxCrossEntropy>(&stage.operations.back().work)) {
    extent.ends_in_loss = true;
    extent.samples = softmax->N;
    extent.classes = softmax->K;
  }
  return extent;
}

Inputs make_inputs(const StageCase& stage, Values values, std::uint64_t seed) {
  const StageExtent extent = extent_of(stage);
  const auto arena = static_cast<std::size_t>(stage.arena_elements);
  Inputs inputs;
  if (values == Values::small_integers) {
    inputs.parameters = random_integers(arena, seed, 1, 1);
    inputs.input = random_integers(static_cast<std::size_t>(extent.input_elements), seed, 2, 2);
    inputs.output_gradient = random_integers(static_cast<std::size_t>(extent.output_elements), seed, 3, 2);
    inputs.earlier_gradients = random_integers(arena, seed, 4, 8);
  } else {
    inputs.parameters = random_reals(arena, seed, 1, 1);
    std::uint32_t stream = 100;
    for (const ParameterTensor& tensor : parameter_tensors(stage)) {
      const double scale = 1.7 / std::sqrt(static_cast<double>(tensor.fan_in));
      const auto drawn = random_reals(static_cast<std::size_t>(tensor.elements), seed, stream++, scale);
      std::copy(drawn.begin(), drawn.end(), inputs.parameters.begin() + tensor.offset);
    }
    inputs.input = random_reals(static_cast<std::size_t>(extent.input_elements), seed, 2, 1.7);
    inputs.output_gradient = random_reals(static_cast<std::size_t>(extent.output_elements), seed, 3, 1);
    inputs.earlier_gradients = random_reals(arena, seed, 4, 8);
  }
  const PhiloxStream random(seed, RandomUse::synthetic_data, 5);
  std::uint64_t draw = 0;
  inputs.images.resize(static_cast<std::size_t>(kSamples * extent.pixels));
  for (auto& pixel : inputs.images) pixel = static_cast<std::uint8_t>(random.word(draw++) % 256);
  if (extent.ends_in_loss) inputs.labels.resize(kSamples);
  for (auto& label : inputs.labels) {
    label = static_cast<std::uint8_t>(
        random.word(draw++) % static_cast<std::uint32_t>(std::min<std::int64_t>(extent.classes, 256)));
  }
  if (extent.gathers || extent.ends_in_loss) inputs.indices.resize(static_cast<std::size_t>(extent.samples));
  for (auto& index : inputs.indices) index = static_cast<std::int64_t>(random.word(draw++) % kSamples);
  return inputs;
}

}  // namespace dml::test
