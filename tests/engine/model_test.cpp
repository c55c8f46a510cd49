// Models as data: shapes, layouts, work, initialisation and hashes of the zoo and of models made here.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <gtest/gtest.h>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "engine/model/parameters.h"
#include "engine/model/spec.h"
#include "engine/model/zoo.h"
#include "kernels/base/buffer.h"

namespace dml::test {
namespace {

HostBuffer initial_arena(const ParameterLayout& layout, std::uint64_t seed, DType dtype = DType::f32) {
  HostBuffer arena(layout.elements(), dtype);
  initialise_parameters(layout, seed, arena.view());
  return arena;
}

/// The message of the UsageError that `action` throws; empty when it throws none.
template <class Action>
std::string usage_error(Action action) {
  try {
    action();
  } catch (const UsageError& error) {
    return error.what();
  }
  return {};
}

/// One convolution and the classifier.
ModelSpec convolution_model(const ConvolutionLayer& layer, ActivationShape input) {
  return {.name = "made-here",
          .input = input,
          .classes = 3,
          .layers = {layer, LinearLayer{.name = "fc", .out_features = 3, .relu = false}}};
}

TEST(Shapes, OfTheZooAreThoseOfThePapers) {
  using Shapes = std::vector<ActivationShape>;
  EXPECT_EQ(infer_shapes(model_by_name("lenet")),
            (Shapes{{1, 28, 28}, {6, 14, 14}, {16, 5, 5}, {120, 1, 1}, {10, 1, 1}}));
  EXPECT_EQ(infer_shapes(model_by_name("mnist-cnn")),
            (Shapes{{1, 28, 28}, {32, 26, 26}, {64, 12, 12}, {128, 1, 1}, {10, 1, 1}}));
  EXPECT_EQ(infer_shapes(model_by_name("cnn8")), (Shapes{{1, 28, 28},
                                                         {16, 28, 28},
                                                         {32, 14, 14},
                                                         {32, 14, 14},
                                                         {48, 7, 7},
                                                         {48, 7, 7},
                                                         {96, 3, 3},
                                                         {128, 1, 1},
                                                         {10, 1, 1}}));
}

TEST(Shapes, FollowStridePaddingDilationAndDroppedPoolRows) {
  const auto output = [](const ConvolutionLayer& layer, std::int64_t extent) {
    return infer_shapes(convolution_model(layer, {2, extent, extent + 1}))[1];
  };
  using C = ConvolutionLayer;
  EXPECT_EQ(output(C{.name = "c", .out_channels = 4, .kernel = 3, .stride = 2}, 8),
            (ActivationShape{4, 3, 4}));
  EXPECT_EQ(output(C{.name = "c", .out_channels = 4, .kernel = 3, .dilation = 2}, 8),
            (ActivationShape{4, 4, 5}));
  EXPECT_EQ(output(C{.name = "c", .out_channels = 4, .kernel = 1, .stride = 3}, 7),
            (ActivationShape{4, 3, 3}));
  EXPECT_EQ(output(C{.name = "c", .out_channels = 4, .kernel = 5, .padding = 2, .pool = 2}, 7),
            (ActivationShape{4, 3, 4}));
  EXPECT_EQ(output(C{.name = "c", .out_channels = 4, .kernel = 3, .pool = 3}, 10),
            (ActivationShape{4, 2, 3}));
}

TEST(Shapes, LayersThatLeaveNothingAreNamed) {
  const auto message = [](const ConvolutionLayer& layer) {
    return usage_error([&] { infer_shapes(convolution_model(layer, {1, 4, 4})); });
  };
  // A 5x5 filter on 4x4 with stride 2 would round up to one output if -1 / 2 were trusted.
  const std::vector<ConvolutionLayer> impossible{
      {.name = "wide", .out_channels = 2, .kernel = 5, .stride = 2},
      {.name = "wide", .out_channels = 2, .kernel = 3, .dilation = 2},
      {.name = "wide", .out_channels = 2, .kernel = 3, .pool = 3},
      {.name = "wide", .out_channels = 0, .kernel = 3},
  };
  for (const ConvolutionLayer& layer : impossible) {
    EXPECT_NE(message(layer).find("layer wide"), std::string::npos) << message(layer);
  }
  EXPECT_EQ(message({.name = "fits", .out_channels = 2, .kernel = 4}), "");
}

TEST(Zoo, KnowsItsNamesAndRefusesOthers) {
  EXPECT_EQ(model_names(), (std::vector<std::string>{"lenet", "mnist-cnn", "cnn8"}));
  for (const std::string& name : model_names()) EXPECT_EQ(model_by_name(name).name, name);
  const std::string message = usage_error([] { model_by_name("letnet"); });
  EXPECT_NE(message.find("letnet"), std::string::npos);
  for (const std::string& name : model_names()) EXPECT_NE(message.find(name), std::string::npos) << message;
}

TEST(Zoo, LastLayerIsALinearClassifierWithoutRelu) {
  for (const std::string& name : model_names()) {
    const ModelSpec model = model_by_name(name);
    const auto& last = std::get<LinearLayer>(model.layers.back());
    EXPECT_FALSE(last.relu) << name;
    EXPECT_EQ(last.out_features, model.classes) << name;
  }
  EXPECT_EQ(first_linear_layer(model_by_name("lenet")), 2);
  EXPECT_EQ(first_linear_layer(model_by_name("mnist-cnn")), 2);
  EXPECT_EQ(first_linear_layer(model_by_name("cnn8")), 6);
}

TEST(Layout, ParameterCounts) {
  EXPECT_EQ(ParameterLayout(model_by_name("lenet")).elements(), 51'902);
  EXPECT_EQ(ParameterLayout(model_by_name("mnist-cnn")).elements(), 1'199'882);
  // cnn8 by hand: the six 3x3 convolutions (9 C K + K), then 864 x 128 and 128 x 10.
  constexpr std::int64_t kConvolutions = (9 * 1 + 1) * 16 + (9 * 16 + 1) * 32 + (9 * 32 + 1) * 32 +
                                         (9 * 32 + 1) * 48 + (9 * 48 + 1) * 48 + (9 * 48 + 1) * 96;
  EXPECT_EQ(ParameterLayout(model_by_name("cnn8")).elements(),
            kConvolutions + (864 + 1) * 128 + (128 + 1) * 10);
}

TEST(Layout, TensorsFollowEachOtherWithoutHoles) {
  for (const std::string& name : model_names()) {
    const ModelSpec model = model_by_name(name);
    const ParameterLayout layout(model);
    ASSERT_EQ(layout.tensors().size(), 2 * model.layers.size());
    std::int64_t next = 0;
    for (std::size_t t = 0; t < layout.tensors().size(); ++t) {
      const ParameterTensor& tensor = layout.tensors()[t];
      const auto layer = static_cast<int>(t / 2);
      EXPECT_EQ(tensor.layer, layer);
      EXPECT_EQ(tensor.name, layer_name(model.layers[t / 2]) + (t % 2 == 0 ? ".weight" : ".bias"));
      EXPECT_EQ(tensor.offset, next) << tensor.name;
      EXPECT_EQ(tensor.elements, std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1},
                                                 [](std::int64_t a, std::int64_t b) { return a * b; }));
      next += tensor.elements;
      EXPECT_EQ(&tensor, t % 2 == 0 ? &layout.weight(layer) : &layout.bias(layer));
    }
    EXPECT_EQ(next, layout.elements());
  }
}

TEST(Layout, ShapesAndFanInAreTorchs) {
  const ParameterLayout layout(model_by_name("lenet"));
  EXPECT_EQ(layout.weight(1).name, "conv2.weight");
  EXPECT_EQ(layout.weight(1).shape, (std::vector<std::int64_t>{16, 6, 5, 5}));
  EXPECT_EQ(layout.weight(1).fan_in, 6 * 25);
  EXPECT_EQ(layout.bias(1).shape, (std::vector<std::int64_t>{16}));
  EXPECT_EQ(layout.bias(1).fan_in, 6 * 25);
  EXPECT_EQ(layout.weight(2).shape, (std::vector<std::int64_t>{120, 400}));
  EXPECT_EQ(layout.weight(2).fan_in, 400);
}

TEST(Layout, RangesOfLayersCutTheArena) {
  const ModelSpec model = model_by_name("cnn8");
  const ParameterLayout layout(model);
  const int layers = model.layer_count();
  for (int cut = 0; cut <= layers; ++cut) {
    const ParameterRange front = layout.range(0, cut);
    const ParameterRange back = layout.range(cut, layers);
    EXPECT_EQ(front.first, 0);
    EXPECT_EQ(back.first, front.count);
    EXPECT_EQ(front.count + back.count, layout.elements());
    EXPECT_EQ(layout.range(cut, cut).count, 0);
  }
  EXPECT_EQ(layout.range(2, 3).first, layout.weight(2).offset);
  EXPECT_EQ(layout.range(2, 3).count, layout.weight(2).elements + layout.bias(2).elements);
}

// 2 FLOP per multiply-add; forward and weight gradient for every layer, input gradient for all but the first.
TEST(Flops, ClosedForms) {
  const std::vector<double> lenet = training_flops(model_by_name("lenet"));
  EXPECT_EQ(lenet, (std::vector<double>{2.0 * 2 * (6 * 28 * 28) * 25, 3.0 * 2 * (16 * 10 * 10) * 150,
                                        3.0 * 2 * 120 * 400, 3.0 * 2 * 10 * 120}));
  EXPECT_NEAR(std::accumulate(lenet.begin(), lenet.end(), 0.0), 2.21e6, 0.005e6);
  EXPECT_NEAR((lenet[0] + lenet[1]) / std::accumulate(lenet.begin(), lenet.end(), 0.0), 0.87, 0.005);

  const std::vector<double> cnn = training_flops(model_by_name("mnist-cnn"));
  const double total = std::accumulate(cnn.begin(), cnn.end(), 0.0);
  EXPECT_EQ(cnn[1], 3.0 * 2 * (64 * 24 * 24) * (32 * 9));
  EXPECT_NEAR(total, 71.6e6, 0.05e6);
  EXPECT_NEAR(cnn[1] / total, 0.89, 0.005);
}

TEST(Flops, SplitThreeOfCnn8IsBalanced) {
  const std::vector<double> flops = training_flops(model_by_name("cnn8"));
  const double front = std::accumulate(flops.begin(), flops.begin() + 3, 0.0);
  const double back = std::accumulate(flops.begin() + 3, flops.end(), 0.0);
  EXPECT_LE(std::max(front, back) / std::min(front, back), 1.2) << front << " against " << back;
}

TEST(Initialisation, EveryTensorIsUniformWithinItsBound) {
  for (const std::string& name : model_names()) {
    const ParameterLayout layout(model_by_name(name));
    const HostBuffer arena = initial_arena(layout, 3);
    for (const ParameterTensor& tensor : layout.tensors()) {
      SCOPED_TRACE(name + " " + tensor.name);
      const double bound = 1.0 / std::sqrt(static_cast<double>(tensor.fan_in));
      double sum = 0;
      double squares = 0;
      double largest = 0;
      for (std::int64_t i = tensor.offset; i < tensor.offset + tensor.elements; ++i) {
        const double value = arena.as<float>()[static_cast<std::size_t>(i)] / bound;
        largest = std::max(largest, std::fabs(value));
        sum += value;
        squares += value * value;
      }
      const auto n = static_cast<double>(tensor.elements);
      // U(-1, 1): mean 0, variance 1/3, variance of the square 4/45; five standard errors.
      EXPECT_LE(largest, 1 + 1e-6);
      EXPECT_LE(std::fabs(sum / n), 5 * std::sqrt(1 / (3 * n)));
      EXPECT_LE(std::fabs(squares / n - 1.0 / 3), 5 * std::sqrt(4 / (45 * n)));
      if (n > 100) {
        EXPECT_GE(largest, 1 - 10 / n);  // P(failure) = (1 - 10/n)^n < 5e-5
      }
    }
  }
}

TEST(Initialisation, IsAPureFunctionOfTheSeed) {
  const ParameterLayout layout(model_by_name("lenet"));
  const auto hash = [&](std::uint64_t seed) {
    return hash_parameters(layout, initial_arena(layout, seed).view());
  };
  std::set<std::string> hashes;
  // Seeds that agree in their low or high half are still different seeds.
  for (const std::uint64_t seed : {0ULL, 1ULL, 2ULL, 1ULL << 32U, (1ULL << 32U) + 1, ~0ULL}) {
    EXPECT_EQ(hash(seed), hash(seed));
    hashes.insert(hash(seed));
  }
  EXPECT_EQ(hashes.size(), 6U);
}

TEST(Initialisation, TensorsDoNotShareRandomNumbers) {
  const ParameterLayout layout(model_by_name("lenet"));
  const HostBuffer arena = initial_arena(layout, 0);
  std::set<float> first;  // in units of the bound
  for (const ParameterTensor& tensor : layout.tensors()) {
    first.insert(arena.as<float>()[static_cast<std::size_t>(tensor.offset)] *
                 std::sqrt(static_cast<float>(tensor.fan_in)));
  }
  EXPECT_EQ(first.size(), layout.tensors().size());
}

TEST(Hash, ChangesWithOneBitOfAnyTensorAndWithANameAlone) {
  const ModelSpec model = model_by_name("lenet");
  const ParameterLayout layout(model);
  HostBuffer arena = initial_arena(layout, 0);
  const std::string before = hash_parameters(layout, arena.view());
  EXPECT_EQ(before.substr(0, 5), "xxh3:");
  EXPECT_EQ(before.size(), 5U + 16U);
  for (const ParameterTensor& tensor : layout.tensors()) {
    float& value = arena.as<float>()[static_cast<std::size_t>(tensor.offset + tensor.elements - 1)];
    const float original = value;
    value = std::nextafter(value, 10.0F);
    EXPECT_NE(hash_parameters(layout, arena.view()), before) << tensor.name;
    value = original;
  }
  EXPECT_EQ(hash_parameters(layout, arena.view()), before);

  ModelSpec renamed = model;
  std::get<LinearLayer>(renamed.layers.back()).name = "classifier";
  EXPECT_NE(hash_parameters(ParameterLayout(renamed), arena.view()), before);
}

TEST(Hash, IsThatOfTheFp32ValuesWhateverTheTypeOfTheArena) {
  const ParameterLayout layout(model_by_name("lenet"));
  const HostBuffer single = initial_arena(layout, 5);
  HostBuffer wide = initial_arena(layout, 5, DType::f64);
  EXPECT_TRUE(std::equal(single.as<float>().begin(), single.as<float>().end(), wide.as<double>().begin()));
  EXPECT_EQ(hash_parameters(layout, single.view()), hash_parameters(layout, wide.view()));
  wide.as<double>()[17] += 1e-12;  // below fp32: the same model
  EXPECT_EQ(hash_parameters(layout, single.view()), hash_parameters(layout, wide.view()));
}

TEST(Initialisation, RefusesAnArenaOfAnotherSize) {
  const ParameterLayout layout(model_by_name("lenet"));
  HostBuffer small(layout.elements() - 1, DType::f32);
  EXPECT_THROW(initialise_parameters(layout, 0, small.view()), InternalError);
}

}  // namespace
}  // namespace dml::test
