#include "engine/data/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "kernels/base/philox.h"

namespace dml {
namespace {

constexpr int kSide = 28;
constexpr int kPixels = kSide * kSide;
constexpr int kClasses = 10;
constexpr std::int64_t kTrainSamples = 10000;
constexpr std::int64_t kTestSamples = 2000;
constexpr std::uint64_t kSeed = 0;
constexpr int kCells = 6;  // a prototype is interpolated from (kCells + 1)^2 grid points, its rim black

/// Streams of RandomUse::synthetic_data; a split uses two, for what a sample is and for its noise.
enum Stream : std::uint32_t { kPrototypes = 0, kTrain = 1, kTest = 3 };

using Prototype = std::array<int, kPixels>;  ///< (28, 28), each 0..255

int pixel_at(const Prototype& prototype, int row, int column) {
  const bool inside = row >= 0 && row < kSide && column >= 0 && column < kSide;
  return inside ? prototype[static_cast<std::size_t>(row * kSide + column)] : 0;
}

/// Random heights on a coarse grid, about half of them zero, joined by bilinear interpolation.
Prototype make_prototype(int label) {
  const PhiloxStream random(kSeed, RandomUse::synthetic_data, kPrototypes);
  std::array<std::array<int, kCells + 1>, kCells + 1> heights{};
  for (int row = 1; row < kCells; ++row) {
    for (int column = 1; column < kCells; ++column) {
      const auto index = static_cast<std::uint64_t>((label * (kCells + 1) + row) * (kCells + 1) + column);
      const int level = static_cast<int>(random.word(index) >> 23U) - 255;  // -255..256
      heights[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)] = std::clamp(level, 0, 255);
    }
  }
  constexpr int kOne = 256;  // fixed point
  Prototype prototype{};
  for (int row = 0; row < kSide; ++row) {
    for (int column = 0; column < kSide; ++column) {
      const int v = row * kCells * kOne / kSide;
      const int u = column * kCells * kOne / kSide;
      const auto i = static_cast<std::size_t>(v / kOne);
      const auto j = static_cast<std::size_t>(u / kOne);
      const int dv = v % kOne;
      const int du = u % kOne;
      const int top = heights[i][j] * (kOne - du) + heights[i][j + 1] * du;
      const int bottom = heights[i + 1][j] * (kOne - du) + heights[i + 1][j + 1] * du;
      prototype[static_cast<std::size_t>(row * kSide + column)] =
          (top * (kOne - dv) + bottom * dv) / (kOne * kOne);
    }
  }
  return prototype;
}

/// What a sample is, drawn from the eight words of its index.
struct Sample {
  int label, distractor;
  int row_shift, column_shift, distractor_row_shift, distractor_column_shift;
  int contrast, distractor_contrast;  ///< in 1/256
};

int uniform(std::uint32_t word, int low, int high) {
  const auto range = static_cast<std::uint64_t>(high - low + 1);
  return low + static_cast<int>((word * range) >> 32U);
}

Sample draw_sample(const PhiloxStream& random, std::int64_t index) {
  constexpr int kMaxShift = 3;
  const auto first = static_cast<std::uint64_t>(index) * 2;
  const PhiloxCounter a = random.block(first);
  const PhiloxCounter b = random.block(first + 1);
  Sample sample{};
  sample.label = uniform(a[0], 0, kClasses - 1);
  sample.distractor = (sample.label + uniform(a[1], 1, kClasses - 1)) % kClasses;
  sample.row_shift = uniform(a[2], -kMaxShift, kMaxShift);
  sample.column_shift = uniform(a[3], -kMaxShift, kMaxShift);
  sample.distractor_row_shift = uniform(b[0], -kMaxShift, kMaxShift);
  sample.distractor_column_shift = uniform(b[1], -kMaxShift, kMaxShift);
  sample.contrast = uniform(b[2], 100, 256);
  sample.distractor_contrast = uniform(b[3], 0, 130);
  return sample;
}

/// The sum of a word's four bytes about its mean: nearly normal, standard deviation 148.
int noise(std::uint32_t word) {
  const std::uint32_t sum = (word & 255U) + (word >> 8U & 255U) + (word >> 16U & 255U) + (word >> 24U);
  return static_cast<int>(sum) - 510;
}

Dataset make_split(const std::array<Prototype, kClasses>& prototypes, std::int64_t samples,
                   std::uint32_t stream) {
  constexpr int kNoiseDivisor = 4;  // a standard deviation of 37 grey levels
  const PhiloxStream choices(kSeed, RandomUse::synthetic_data, stream);
  const PhiloxStream noises(kSeed, RandomUse::synthetic_data, stream + 1);
  Dataset split;
  split.name = "synthetic";
  split.source =
      "synthetic: NOT REAL DATA, made up by this program; its accuracy says nothing about any real data set";
  split.samples = samples;
  split.C = 1;
  split.H = kSide;
  split.W = kSide;
  split.classes = kClasses;
  split.images.resize(static_cast<std::size_t>(samples) * kPixels);
  split.labels.resize(static_cast<std::size_t>(samples));
  auto pixel = split.images.begin();
  std::uint64_t noise_block = 0;
  for (std::int64_t n = 0; n < samples; ++n) {
    const Sample sample = draw_sample(choices, n);
    split.labels[static_cast<std::size_t>(n)] = static_cast<std::uint8_t>(sample.label);
    const Prototype& own = prototypes[static_cast<std::size_t>(sample.label)];
    const Prototype& other = prototypes[static_cast<std::size_t>(sample.distractor)];
    PhiloxCounter words{};
    for (int at = 0; at < kPixels; ++at) {
      if (at % 4 == 0) words = noises.block(noise_block++);
      const int row = at / kSide;
      const int column = at % kSide;
      const int signal =
          sample.contrast * pixel_at(own, row + sample.row_shift, column + sample.column_shift) +
          sample.distractor_contrast *
              pixel_at(other, row + sample.distractor_row_shift, column + sample.distractor_column_shift);
      const int level = signal / 256 + noise(words[static_cast<std::size_t>(at % 4)]) / kNoiseDivisor;
      *pixel++ = static_cast<std::uint8_t>(std::clamp(level, 0, 255));
    }
  }
  return split;
}

/// Sets mean and stddev of both splits to those of pixel / 255 over the training images. The sums are exact.
void set_normalisation(DatasetSplits& splits) {
  std::uint64_t sum = 0;
  std::uint64_t sum_of_squares = 0;
  for (const std::uint64_t value : splits.train.images) {
    sum += value;
    sum_of_squares += value * value;
  }
  const auto count = static_cast<double>(splits.train.images.size());
  const double mean = static_cast<double>(sum) / count;
  const double variance = static_cast<double>(sum_of_squares) / count - mean * mean;
  splits.train.mean = splits.test.mean = mean / 255;
  splits.train.stddev = splits.test.stddev = std::sqrt(variance) / 255;
}

}  // namespace

DatasetSplits make_synthetic_dataset() {
  std::array<Prototype, kClasses> prototypes{};
  for (int label = 0; label < kClasses; ++label)
    prototypes[static_cast<std::size_t>(label)] = make_prototype(label);
  DatasetSplits splits{make_split(prototypes, kTrainSamples, kTrain),
                       make_split(prototypes, kTestSamples, kTest)};
  set_normalisation(splits);
  return splits;
}

}  // namespace dml
