#include "tests/kernels/stage_cases.h"

#include <utility>

namespace dml::test {
namespace {

constexpr std::int64_t kNeighbours = 3;  // parameters of other stages on either side, and so odd offsets

/// With every access checked minutes pass in one such stage: it is tried only as its model has it.
bool is_long(std::int64_t multiplications) {
  return multiplications > 2'000'000;
}

}  // namespace

std::vector<ParameterTensor> parameter_tensors(const StageCase& stage) {
  std::vector<ParameterTensor> tensors;
  for (const auto& [layer, work] : stage.operations) {
    if (const auto* convolution = std::get_if<Convolution>(&work)) {
      const ConvolutionShape& s = convolution->shape;
      const std::int64_t fan_in = s.C * s.R * s.S;
      tensors.push_back({layer + " weight", convolution->weight_offset, s.weight_elements(), fan_in});
      tensors.push_back({layer + " bias", convolution->bias_offset, s.K, fan_in});
    } else if (const auto* linear = std::get_if<Linear>(&work)) {
      const LinearShape& s = linear->shape;
      tensors.push_back({layer + " weight", linear->weight_offset, s.weight_elements(), s.C});
      tensors.push_back({layer + " bias", linear->bias_offset, s.K, s.C});
    }
  }
  return tensors;
}

StageBuilder::StageBuilder(std::string name, std::int64_t N, std::int64_t C, std::int64_t H, std::int64_t W)
    : N_(N), C_(C), H_(H), W_(W) {
  stage_.name = std::move(name);
  stage_.first_parameter = stage_.arena_elements = kNeighbours;
}

void StageBuilder::add(std::string layer, decltype(Operation::work) work) {
  stage_.operations.push_back({std::move(layer), work});
}

std::int64_t StageBuilder::allocate(std::int64_t elements) {
  stage_.parameters += elements;
  stage_.arena_elements += elements;
  return stage_.arena_elements - elements;
}

StageBuilder& StageBuilder::gather(double mean, double stddev) {
  add("input", GatherNormalize{.N = N_, .C = C_, .H = H_, .W = W_, .mean = mean, .stddev = stddev});
  return *this;
}

StageBuilder& StageBuilder::convolution(std::int64_t K, std::int64_t R, std::int64_t S, std::int64_t stride,
                                        std::int64_t padding, std::int64_t dilation) {
  const ConvolutionShape shape{N_, C_, H_, W_, K, R, S, stride, padding, dilation};
  const std::int64_t weight = allocate(shape.weight_elements());
  const std::int64_t bias = allocate(K);
  add("conv" + std::to_string(++convolutions_), Convolution{shape, weight, bias});
  C_ = K;
  H_ = shape.P();
  W_ = shape.Q();
  return *this;
}

StageBuilder& StageBuilder::relu() {
  add(stage_.operations.empty() ? "relu" : stage_.operations.back().layer, Relu{N_ * C_ * H_ * W_});
  return *this;
}

StageBuilder& StageBuilder::max_pool(std::int64_t window, std::int64_t stride) {
  const PoolShape shape{N_, C_, H_, W_, window, stride};
  add(stage_.operations.empty() ? "pool" : stage_.operations.back().layer, MaxPool{shape});
  H_ = shape.P();
  W_ = shape.Q();
  return *this;
}

StageBuilder& StageBuilder::linear(std::int64_t K) {
  const LinearShape shape{N_, C_ * H_ * W_, K};
  const std::int64_t weight = allocate(shape.weight_elements());
  const std::int64_t bias = allocate(K);
  add("fc" + std::to_string(++linears_), Linear{shape, weight, bias});
  C_ = K;
  H_ = W_ = 1;
  return *this;
}

StageBuilder& StageBuilder::softmax_cross_entropy() {
  add("loss", SoftmaxCrossEntropy{N_, C_ * H_ * W_});
  return *this;
}

StageCase StageBuilder::build() const {
  StageCase stage = stage_;
  stage.arena_elements += kNeighbours;
  return stage;
}

std::vector<StageCase> stage_cases() {
  std::vector<StageCase> cases;
  for (const auto& [name, s] : convolution_problems()) {
    const auto begin = [&, &name = name, &s = s](const std::string& kind) {
      StageBuilder builder(kind + "_" + name, s.N, s.C, s.H, s.W);
      return builder.convolution(s.K, s.R, s.S, s.stride, s.padding, s.dilation);
    };
    if (!is_long(s.N * s.K * s.P() * s.Q() * s.C * s.R * s.S)) {
      cases.push_back(begin("conv").build());
      cases.push_back(begin("conv_relu").relu().build());
    }
    if (s.P() >= 2 && s.Q() >= 2) cases.push_back(begin("conv_relu_pool").relu().max_pool(2, 2).build());
  }
  for (const auto& [name, s] : pool_problems()) {
    cases.push_back(StageBuilder("pool_" + name, s.N, s.C, s.H, s.W).max_pool(s.window, s.stride).build());
    cases.push_back(StageBuilder("conv_pool_" + name, s.N, 2, s.H, s.W)
                        .convolution(s.C, 1, 1)
                        .max_pool(s.window, s.stride)
                        .build());
  }
  cases.push_back(StageBuilder("pool_relu", 3, 2, 7, 9).max_pool(2, 2).relu().build());
  for (const auto& [name, s] : linear_problems()) {
    cases.push_back(StageBuilder("linear_relu_" + name, s.N, s.C, 1, 1).linear(s.K).relu().build());
    if (is_long(s.N * s.C * s.K)) continue;
    cases.push_back(StageBuilder("linear_" + name, s.N, s.C, 1, 1).linear(s.K).build());
    cases.push_back(
        StageBuilder("linear_loss_" + name, s.N, s.C, 1, 1).linear(s.K).softmax_cross_entropy().build());
  }
  for (const auto& [name, s] : softmax_problems()) {
    cases.push_back(StageBuilder("loss_" + name, s.N, s.K, 1, 1).softmax_cross_entropy().build());
  }
  for (const std::int64_t N : {0, 1, 3}) {
    const std::string batch = "_batch_" + std::to_string(N);
    // Rows differ from columns and channels from both, so that a flatten in another order cannot pass.
    cases.push_back(StageBuilder("conv_relu_pool_linear" + batch, N, 3, 9, 7)
                        .convolution(5, 3, 3, 1, 1)
                        .relu()
                        .max_pool(2, 2)
                        .linear(6)
                        .build());
    cases.push_back(StageBuilder("two_convs" + batch, N, 2, 8, 9)
                        .convolution(5, 3, 3)
                        .relu()
                        .convolution(4, 3, 3, 1, 1)
                        .relu()
                        .max_pool(2, 2)
                        .build());
    cases.push_back(StageBuilder("mlp_loss" + batch, N, 30, 1, 1)
                        .linear(17)
                        .relu()
                        .linear(10)
                        .softmax_cross_entropy()
                        .build());
    cases.push_back(StageBuilder("gather_linear_loss" + batch, N, 2, 3, 5)
                        .gather(0.25, 0.5)
                        .linear(4)
                        .softmax_cross_entropy()
                        .build());
    // Four pixels at a time, where an image has a multiple of that.
    cases.push_back(
        StageBuilder("gather_by_fours_linear" + batch, N, 2, 4, 5).gather(0.25, 0.5).linear(4).build());
    cases.push_back(
        StageBuilder("gather_conv" + batch, N, 1, 6, 7).gather(0.286, 0.353).convolution(3, 3, 3).build());
    cases.push_back(StageBuilder("gather_row_conv" + batch, N, 1, 6, 7)
                        .gather(0.286, 0.353)
                        .convolution(3, 2, 4)
                        .build());
    cases.push_back(StageBuilder("lenet" + batch, N, 1, 28, 28)
                        .gather(0.286, 0.353)
                        .convolution(6, 5, 5, 1, 2)
                        .relu()
                        .max_pool(2, 2)
                        .convolution(16, 5, 5)
                        .relu()
                        .max_pool(2, 2)
                        .linear(120)
                        .relu()
                        .linear(10)
                        .softmax_cross_entropy()
                        .build());
  }
  return cases;
}

std::vector<StageCase> many_tiles_cases() {
  return {
      StageBuilder("many_tiles_of_pixels", 1, 33, 45, 47).convolution(35, 1, 2, 1, 1).relu().build(),
      StageBuilder("many_tiles_of_weights", 1, 108, 4, 5).convolution(130, 3, 2, 1, 1).relu().build(),
      // As much work as a device has threads, so that each thread takes several channels.
      StageBuilder("many_windows_3x3", 2, 3, 40, 45)
          .convolution(300, 3, 3, 1, 1)
          .relu()
          .max_pool(2, 2)
          .build(),
      StageBuilder("many_windows_back_3x3", 2, 300, 40, 45).convolution(3, 3, 3, 1, 2).relu().build(),
      StageBuilder("many_windows_5x5", 2, 2, 40, 43).convolution(151, 5, 5, 1, 2).relu().build(),
      StageBuilder("many_windows_back_5x5", 2, 151, 40, 43).convolution(2, 5, 5).max_pool(2, 2).build(),
      StageBuilder("many_tiles_of_outputs", 130, 18, 1, 1).linear(650).relu().build(),
      StageBuilder("many_tiles_of_inputs", 130, 650, 1, 1).linear(18).relu().build(),
      StageBuilder("many_tiles_of_linear_weights", 3, 650, 1, 1).linear(130).relu().build(),
  };
}

std::string stage_case_name(const ::testing::TestParamInfo<StageCase>& info) {
  return info.param.name;
}

}  // namespace dml::test
