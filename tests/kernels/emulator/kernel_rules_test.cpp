// Shapes that our kernels do not take: the rule is named, in words that a user can act on.
#include <gtest/gtest.h>
#include <string>

#include "kernels/base/error.h"
#include "kernels/cuda/conv2d_tiled.h"
#include "kernels/cuda/conv2d_window.h"
#include "kernels/cuda/device_backend.h"
#include "kernels/cuda/linear.h"
#include "kernels/cuda/pointwise.h"

namespace dml::test {
namespace {

namespace device = DML_DEVICE;

bool says(const std::string& rule, const std::string& words) {
  return rule.find(words) != std::string::npos;
}

TEST(KernelRules, AreBrokenBySizesBeyond31Bits) {
  // The second convolution of mnist-cnn: the last batch whose output has less than 2^31 elements, and one
  // more.
  const ConvolutionShape conv2{.N = 58254, .C = 32, .H = 26, .W = 26, .K = 64, .R = 3, .S = 3};
  EXPECT_EQ(device::conv2d_tiled_broken_rule(conv2), "");
  ConvolutionShape more = conv2;
  more.N += 1;
  EXPECT_TRUE(says(device::conv2d_tiled_broken_rule(more), "smaller --batch"));
  more = conv2;
  more.N = 1;
  more.K = 65536;
  EXPECT_TRUE(says(device::conv2d_tiled_broken_rule(more), "65535 channels"));

  EXPECT_EQ(device::linear_broken_rule({.N = 64, .C = 9216, .K = 128}), "");
  EXPECT_TRUE(says(device::linear_broken_rule({.N = 64, .C = 1 << 25, .K = 128}), "2^31 elements"));
  EXPECT_TRUE(says(device::linear_broken_rule({.N = 1 << 22, .C = 1, .K = 1}), "2097120 samples"));
  EXPECT_TRUE(says(device::linear_broken_rule({.N = 1, .C = 1, .K = 1 << 22}), "outputs"));

  EXPECT_EQ(device::max_pool_broken_rule({.N = 32768, .C = 64, .H = 31, .W = 32}), "");
  EXPECT_TRUE(says(device::max_pool_broken_rule({.N = 32768, .C = 64, .H = 32, .W = 32}), "2^31 elements"));
}

TEST(KernelRules, GiveWindowKernelsWhatFitsThem) {
  const ConvolutionShape conv{.N = 2, .C = 16, .H = 30, .W = 30, .K = 16, .R = 3, .S = 3, .padding = 1};
  EXPECT_TRUE(device::supports_conv2d_window(conv, false));
  EXPECT_TRUE(device::supports_conv2d_window(conv, true));
  const auto takes = [&](auto change) {
    ConvolutionShape changed = conv;
    change(changed);
    return device::supports_conv2d_window(changed, true);
  };
  EXPECT_TRUE(takes([](ConvolutionShape& s) { s.R = s.S = 5; }));
  EXPECT_TRUE(takes([](ConvolutionShape& s) { s.N = 58254; }));
  EXPECT_TRUE(takes([](ConvolutionShape& s) { s.C = s.K = 512; }));
  EXPECT_FALSE(takes([](ConvolutionShape& s) { s.R = s.S = 7; })) << "too large a filter";
  EXPECT_FALSE(takes([](ConvolutionShape& s) { s.S = 5; })) << "not a square";
  EXPECT_FALSE(takes([](ConvolutionShape& s) { s.stride = 2; }));
  EXPECT_FALSE(takes([](ConvolutionShape& s) { s.dilation = 2; }));
  EXPECT_FALSE(takes([](ConvolutionShape& s) { s.padding = 3; })) << "a border of nothing but zeros";
  EXPECT_FALSE(takes([](ConvolutionShape& s) { s.W = 4000; })) << "no row of it fits into shared memory";
  EXPECT_FALSE(takes([](ConvolutionShape& s) { s.K = 1 << 15; }));
}

TEST(KernelRules, AreNamedWithTheLayerWhenAStageIsCompiled) {
  const auto backend = emulator::make_backend({});
  const std::vector<Operation> stage{{"pool9", MaxPool{{.N = 1, .C = 1, .H = 256, .W = 257, .window = 256}}}};
  ParameterBinding parameters;
  parameters.values = {.dtype = DType::f32, .memory = Memory::device};
  const DataBinding data;
  try {
    static_cast<void>(backend->compile(stage, parameters, data, {.kernels = KernelChoice::custom}));
    ADD_FAILURE() << "a window of 256 was compiled";
  } catch (const UsageError& error) {
    EXPECT_TRUE(says(error.what(), "--kernels custom: layer pool9:")) << error.what();
    EXPECT_TRUE(says(error.what(), "(a window is at most 255 wide)")) << error.what();
  }
}

}  // namespace
}  // namespace dml::test
