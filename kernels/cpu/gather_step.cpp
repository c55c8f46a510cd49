// GatherNormalize: y[n] = (image[index[n]] / 255 - mean) / stddev, by a table of the 256 possible values.
#include <algorithm>
#include <array>

#include "kernels/cpu/candidates.h"
#include "kernels/cpu/lanes_convolution.h"
#include "kernels/cpu/simd/kernels.h"

namespace dml::cpu {

namespace {

/// The normalised value of each pixel value, computed in double and rounded once.
std::array<float, 256> normalization_table(const GatherNormalize& gather) {
  std::array<float, 256> table{};
  for (std::size_t value = 0; value < table.size(); ++value) {
    table.at(value) = static_cast<float>((static_cast<double>(value) / 255 - gather.mean) / gather.stddev);
  }
  return table;
}

/// The image of sample n of the batch.
const std::uint8_t* resident_image(const StageContext& stage, std::int64_t n, std::int64_t sample_elements) {
  const std::int64_t index = stage.sample_indices[static_cast<std::size_t>(n)];
  const auto samples = static_cast<std::int64_t>(stage.data.images.size()) / sample_elements;
  DML_ASSERT(index >= 0 && index < samples, "sample index " + std::to_string(index) + " of a data set of " +
                                                std::to_string(samples) + " samples");
  return stage.data.images.data() + index * sample_elements;
}

class GatherStep final : public Step {
 public:
  GatherStep(StageContext& stage, const Operation& operation)
      : Step(operation),
        stage_(stage),
        gather_(std::get<GatherNormalize>(operation.work)),
        table_(normalization_table(gather_)) {
    output_ = allocate(stage.onednn, plain_layout({gather_.N, gather_.C, gather_.H, gather_.W}));
  }

  void forward() override {
    const std::int64_t elements = gather_.sample_elements();
    for (std::int64_t n = 0; n < gather_.N; ++n) {
      const std::uint8_t* const image = resident_image(stage_, n, elements);
      float* const y = floats(output_) + n * elements;
      for (std::int64_t i = 0; i < elements; ++i) y[i] = table_[image[i]];  // NOLINT: an u8 is below 256
    }
  }

  dnnl::memory compile_backward(const dnnl::memory& /*output_gradient*/, bool /*want*/) override {
    return {};
  }
  void backward(bool /*accumulate*/) override {}
  [[nodiscard]] std::string description() const override { return "gather: table of 256"; }

 private:
  StageContext& stage_;
  GatherNormalize gather_;
  std::array<float, 256> table_;
};

/// The same into [N/16][C][H][W][16].
class LanesGatherStep final : public Step {
 public:
  LanesGatherStep(StageContext& stage, const Operation& operation)
      : Step(operation),
        stage_(stage),
        gather_(std::get<GatherNormalize>(operation.work)),
        table_(normalization_table(gather_)) {
    output_ = allocate(stage.onednn, lanes_layout({gather_.N, gather_.C, gather_.H, gather_.W}));
  }

  void forward() override {
    const std::int64_t elements = gather_.sample_elements();
    for (std::int64_t n = 0; n < gather_.N; n += kSamplesPerBlock) {
      std::array<const std::uint8_t*, kSamplesPerBlock> images{};
      const std::int64_t samples = std::min(kSamplesPerBlock, gather_.N - n);
      for (std::int64_t lane = 0; lane < samples; ++lane) {
        images.at(static_cast<std::size_t>(lane)) = resident_image(stage_, n + lane, elements);
      }
      kernels_.gather_lanes(table_.data(), images.data(), samples, elements, floats(output_) + n * elements);
    }
  }

  dnnl::memory compile_backward(const dnnl::memory& /*output_gradient*/, bool /*want*/) override {
    return {};
  }
  void backward(bool /*accumulate*/) override {}
  [[nodiscard]] std::string description() const override {
    return std::string("gather: table of 256, samples in lanes, simd:") + kernels_.name;
  }

 private:
  StageContext& stage_;
  const SimdKernels& kernels_ = simd_kernels();
  GatherNormalize gather_;
  std::array<float, 256> table_;
};

}  // namespace

StageCandidate lanes_gather() {
  return {"gather into lanes",
          [](std::span<const Operation> operations) -> std::size_t {
            if (front_as<GatherNormalize>(operations) == nullptr) return 0;
            return lanes_convolution_claims(operations.subspan(1)) > 0 ? 1 : 0;
          },
          [](std::span<const Operation> claimed, StageContext& stage) {
            return make_step<LanesGatherStep>(stage, claimed.front());
          },
          Origin::custom};
}

StageCandidate gather() {
  return {"gather",
          [](std::span<const Operation> operations) -> std::size_t {
            return front_as<GatherNormalize>(operations) != nullptr ? 1 : 0;
          },
          [](std::span<const Operation> claimed, StageContext& stage) {
            return make_step<GatherStep>(stage, claimed.front());
          }};
}

}  // namespace dml::cpu
