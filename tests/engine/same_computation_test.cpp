// Every way of splitting the work computes the same thing.
//
// Rules (docs/correctness.md): in fp64 on the reference, 100 steps, within 1e-12 of `single`; in fp32, 10
// steps, within 2e-6; in longer fp32 runs whose weights are reset to single's every 10 steps, the same bound
// at every reset. ReLU and max-pool turn rounding into large differences sooner or later, so free-running
// fp32 drift is not judged, nor ten steps in which single itself is thrown off by a rounding. A claim counts
// only if training moved: every layer's weights changed by at least 1e-3 of their norm.
#include <algorithm>
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/philox.h"
#include "tests/engine/splits.h"
#include "tests/engine/world.h"

namespace dml {
namespace {

using testing::data_parallel;
using testing::model_parallel;
using testing::relative_error;
using testing::small_data;
using testing::smallest_layer_change;
using testing::Split;
using testing::train_steps;
using testing::Trained;

constexpr double kFp64Bound = 1e-12;
constexpr double kFp32Bound = 2e-6;
constexpr double kLeastChange = 1e-3;

/// Every split of lenet (batch 37 does not divide by anything below), both aggregations, 2 to 4 ranks.
std::vector<Split> lenet_splits() {
  std::vector<Split> splits;
  for (const int ranks : {2, 3, 4}) {
    const std::string w = std::to_string(ranks);
    splits.push_back({"allreduce_" + w, data_parallel(ranks, Aggregate::allreduce)});
    splits.push_back({"allgather_" + w, data_parallel(ranks, Aggregate::allgather)});
  }
  splits.push_back(
      {"allreduce_3_accumulate_2_small_buckets", data_parallel(3, Aggregate::allreduce, 2, 10007)});
  splits.push_back({"allgather_2_accumulate_3_small_buckets", data_parallel(2, Aggregate::allgather, 3, 4)});
  splits.back().options.bucket_bytes = 50000;
  for (const std::vector<int>& cut :
       std::vector<std::vector<int>>{{1}, {2}, {3}, {1, 2}, {1, 3}, {2, 3}, {1, 2, 3}}) {
    std::string name = "cut";
    for (const int layer : cut) name += "_" + std::to_string(layer);
    splits.push_back({name + "_sequential", model_parallel(cut, Schedule::sequential, 1)});
    splits.push_back({name + "_gpipe_5", model_parallel(cut, Schedule::gpipe, 5)});
  }
  splits.push_back({"cut_2_sequential_3", model_parallel({2}, Schedule::sequential, 3)});
  return splits;
}

std::vector<Split> cnn8_splits() {
  std::vector<Split> splits;
  for (int layer = 1; layer < 8; ++layer) {
    splits.push_back({"cut_" + std::to_string(layer), model_parallel({layer}, Schedule::gpipe, 3)});
  }
  splits.push_back({"cut_2_4_6", model_parallel({2, 4, 6}, Schedule::gpipe, 4)});
  splits.push_back({"allreduce_2", data_parallel(2, Aggregate::allreduce)});
  splits.push_back({"allgather_4", data_parallel(4, Aggregate::allgather)});
  return splits;
}

/// Every cut of the 8-layer net into 2, 3 and 4 stages, and both aggregations on as many ranks.
std::vector<Split> every_cnn8_split() {
  std::vector<Split> splits;
  constexpr unsigned kCuts = 7;  // before layers 1 to 7
  for (unsigned chosen = 1; chosen < 1U << kCuts; ++chosen) {
    if (std::popcount(chosen) > 3) continue;
    std::vector<int> cut;
    std::string name = "cut";
    for (unsigned layer = 1; layer <= kCuts; ++layer) {
      if ((chosen >> (layer - 1) & 1U) == 0) continue;
      cut.push_back(static_cast<int>(layer));
      name += "_" + std::to_string(layer);
    }
    const bool pipelined = chosen % 2 == 0;
    splits.push_back({name, model_parallel(cut, pipelined ? Schedule::gpipe : Schedule::sequential, 3)});
  }
  for (const int ranks : {2, 3, 4}) {
    const std::string w = std::to_string(ranks);
    splits.push_back({"allreduce_" + w, data_parallel(ranks, Aggregate::allreduce)});
    splits.push_back({"allgather_" + w, data_parallel(ranks, Aggregate::allgather)});
  }
  return splits;
}

RunConfig configuration(const std::string& model, Precision precision, std::int64_t batch) {
  RunConfig config;
  config.model = model;
  config.precision = precision;
  config.batch = batch;
  config.seed = 3;
  config.learning_rate.lr = 0.01;
  config.optimizer.weight_decay = 1e-4;
  return config;
}

/// The deep net needs larger steps to move within a test.
RunConfig cnn8(Precision precision, std::int64_t batch) {
  RunConfig config = configuration("cnn8", precision, batch);
  config.learning_rate.lr = 0.1;
  return config;
}

Trained train_as(RunConfig config, const ParallelOptions& split, const DatasetSplits& data,
                 std::int64_t steps) {
  config.parallel = split;
  return train_steps(config, data, steps);
}

std::string name_of(const ::testing::TestParamInfo<Split>& info) {
  return info.param.name;
}

// ---- fp64, 100 steps, tails: 151 samples in batches of 37 leave a tail of 3, so that with 4 ranks one
// replica has none

class Fp64Lenet : public ::testing::TestWithParam<Split> {
 protected:
  static const DatasetSplits& data() {
    static const DatasetSplits splits = small_data(151, 10);
    return splits;
  }
  static RunConfig config() { return configuration("lenet", Precision::fp64, 37); }
  static const Trained& single() {
    static const Trained trained = train_as(config(), {}, data(), 100);
    return trained;
  }
};

TEST_P(Fp64Lenet, EqualsSingleAfter100Steps) {
  const Trained split = train_as(config(), GetParam().options, data(), 100);
  EXPECT_LE(relative_error(split.parameters, single().parameters), kFp64Bound);
  EXPECT_LE(relative_error(split.losses, single().losses), kFp64Bound);
  EXPECT_GE(smallest_layer_change(split), kLeastChange);
}

INSTANTIATE_TEST_SUITE_P(Splits, Fp64Lenet, ::testing::ValuesIn(lenet_splits()), name_of);

// ---- fp32, 10 steps

class Fp32Lenet : public ::testing::TestWithParam<Split> {
 protected:
  static const DatasetSplits& data() {
    static const DatasetSplits splits = small_data(151, 10);
    return splits;
  }
  static RunConfig config() { return configuration("lenet", Precision::fp32, 37); }
  static const Trained& single() {
    static const Trained trained = train_as(config(), {}, data(), 10);
    return trained;
  }
};

TEST_P(Fp32Lenet, EqualsSingleAfter10Steps) {
  const Trained split = train_as(config(), GetParam().options, data(), 10);
  EXPECT_LE(relative_error(split.parameters, single().parameters), kFp32Bound);
  EXPECT_GE(smallest_layer_change(split), kLeastChange);
}

INSTANTIATE_TEST_SUITE_P(Splits, Fp32Lenet, ::testing::ValuesIn(lenet_splits()), name_of);

// ---- fp32, 60 steps, in windows of 10 that begin with single's weights and optimizer state

constexpr std::int64_t kWindow = 10, kWindows = 6;

class Fp32Windows : public Fp32Lenet {
 protected:
  using Values = std::vector<float>;

  /// Where the parameters and the optimizer state of a session lie.
  static std::vector<std::span<float>> state_of(Session& session) {
    std::vector<std::span<float>> parts{session.parameter_arena().as<float>()};
    for (const auto& slot : session.optimizer_state()) {
      for (const NamedTensor& tensor : slot) parts.push_back(tensor.values.as<float>());
    }
    return parts;
  }

  struct Single {
    std::vector<std::vector<Values>> states;  ///< before each window
    std::vector<std::vector<double>> ends;    ///< parameters after each
  };
  static const Single& single_by_window() {
    static const Single single = [] {
      Single found;
      const auto keep = [&](Session& session, std::int64_t step) {
        if (step % kWindow != 0) return;
        std::vector<Values>& copy = found.states.emplace_back();
        for (const std::span<float> part : state_of(session)) copy.emplace_back(part.begin(), part.end());
        if (step > 0) found.ends.emplace_back(copy.front().begin(), copy.front().end());
      };
      found.ends.push_back(train_steps(config(), data(), kWindow * kWindows, keep).parameters);
      return found;
    }();
    return single;
  }

  /// How far parameters are from single's at the end of each window. `disturbance`: 0, or which weights begin
  /// a window one rounding away from single's.
  static std::vector<double> errors_of(const ParallelOptions& split, std::uint32_t disturbance) {
    RunConfig divided = config();
    divided.parallel = split;
    const Single& single = single_by_window();
    std::vector<double> errors;
    const auto reset = [&](Session& session, std::int64_t step) {
      if (step % kWindow != 0) return;
      const auto window = static_cast<std::size_t>(step / kWindow);
      session.gather_parameters();
      const std::vector<std::span<float>> parts = state_of(session);
      if (session.rank() == 0 && window > 0) {
        const std::vector<double> mine(parts.front().begin(), parts.front().end());
        errors.push_back(relative_error(mine, single.ends[window - 1]));
      }
      for (std::size_t i = 0; i < parts.size(); ++i) {
        std::copy(single.states[window][i].begin(), single.states[window][i].end(), parts[i].begin());
      }
      if (disturbance > 0) {
        const PhiloxStream random(disturbance, RandomUse::synthetic_data, 0);
        for (std::size_t i = 0; i < parts.front().size(); ++i) {
          float& weight = parts.front()[i];
          const float towards = random.word(i) % 2 == 0 ? 2 * weight : 0.0F;
          weight = std::nextafter(weight, towards);
        }
      }
      session.parameters_changed();
    };
    const Trained trained = train_steps(divided, data(), kWindow * kWindows, reset);
    errors.push_back(relative_error(trained.parameters, single.ends.back()));
    return errors;
  }

  /// Whether a window says anything: not where single itself goes another way when its weights are a rounding
  /// off, because some value of it stands on the edge of a ReLU or two are equal but for rounding in a pool.
  /// Which windows those are depends on the CPU.
  static const std::vector<bool>& judged() {
    static const std::vector<bool> windows = [] {
      std::vector<bool> calm(kWindows, true);
      for (std::uint32_t disturbance = 1; disturbance <= 8; ++disturbance) {
        const std::vector<double> errors = errors_of({}, disturbance);
        for (std::size_t w = 0; w < calm.size(); ++w) calm[w] = calm[w] && errors[w] <= kFp32Bound;
      }
      return calm;
    }();
    return windows;
  }
};

TEST_P(Fp32Windows, StayWithSingle) {
  ASSERT_GE(std::count(judged().begin(), judged().end(), true), kWindows - 2) << "single is chaotic here";
  const std::vector<double> errors = errors_of(GetParam().options, 0);
  ASSERT_EQ(errors.size(), judged().size());
  for (std::size_t w = 0; w < errors.size(); ++w) {
    if (!judged()[w]) continue;
    EXPECT_LE(errors[w], kFp32Bound) << "in window " << w;
  }
}

INSTANTIATE_TEST_SUITE_P(Splits, Fp32Windows, ::testing::ValuesIn(lenet_splits()), name_of);

// ---- the 8-layer net, every two-stage cut, in fp64 and fp32

class Fp64Cnn8 : public ::testing::TestWithParam<Split> {};

TEST_P(Fp64Cnn8, EqualsSingleAfter100Steps) {
  static const DatasetSplits data = small_data(29, 4);
  static const Trained single = train_as(cnn8(Precision::fp64, 7), {}, data, 100);
  const Trained split = train_as(cnn8(Precision::fp64, 7), GetParam().options, data, 100);
  EXPECT_LE(relative_error(split.parameters, single.parameters), kFp64Bound);
  EXPECT_GE(smallest_layer_change(split), kLeastChange);
}

INSTANTIATE_TEST_SUITE_P(Splits, Fp64Cnn8, ::testing::ValuesIn(cnn8_splits()), name_of);

/// From its initial weights the deep net hardly moves in 10 steps, so both sides start from a net that has
/// begun to learn.
class Fp32Cnn8 : public ::testing::TestWithParam<Split> {
 protected:
  static const DatasetSplits& data() {
    static const DatasetSplits splits = small_data(101, 4);
    return splits;
  }
  static Trained train_warm(const ParallelOptions& options) {
    static const Trained warm = train_as(cnn8(Precision::fp32, 22), {}, data(), 60);
    RunConfig config = configuration("cnn8", Precision::fp32, 22);
    config.parallel = options;
    return train_steps(config, data(), 10, [](Session& session, std::int64_t step) {
      if (step > 0) return;
      std::copy(warm.parameters.begin(), warm.parameters.end(),
                session.parameter_arena().as<float>().begin());
      session.parameters_changed();
    });
  }
};

TEST_P(Fp32Cnn8, EqualsSingleAfter10Steps) {
  static const Trained single = train_warm({});
  const Trained split = train_warm(GetParam().options);
  EXPECT_LE(relative_error(split.parameters, single.parameters), kFp32Bound);
  EXPECT_GE(smallest_layer_change(split), kLeastChange);
}

INSTANTIATE_TEST_SUITE_P(Splits, Fp32Cnn8, ::testing::ValuesIn(every_cnn8_split()), name_of);

// ---- the same command gives the same bits

TEST(Determinism, TwoRunsGiveTheSameBits) {
  const DatasetSplits data = small_data(151, 10);
  for (const Split& split : lenet_splits()) {
    SCOPED_TRACE(split.name);
    const RunConfig config = configuration("lenet", Precision::fp32, 37);
    const Trained first = train_as(config, split.options, data, 12);
    const Trained second = train_as(config, split.options, data, 12);
    EXPECT_EQ(first.parameters, second.parameters);
    EXPECT_EQ(first.losses, second.losses);
  }
}

// ---- replicas without samples: a random sampler over fewer samples than a batch, and one sample in all

TEST(EmptyReplicas, OneSampleOnFourRanksEqualsSingle) {
  const DatasetSplits data = small_data(5, 4);
  RunConfig config = configuration("lenet", Precision::fp64, 4);
  const Trained single = train_as(config, {}, data, 20);  // every second step has one sample
  for (const Aggregate aggregate : {Aggregate::allreduce, Aggregate::allgather}) {
    const Trained split = train_as(config, data_parallel(4, aggregate), data, 20);
    EXPECT_LE(relative_error(split.parameters, single.parameters), kFp64Bound);
  }
}

TEST(EmptyReplicas, RandomSamplerTrainsWithRaggedLists) {
  const DatasetSplits data = small_data(10, 4);
  RunConfig config = configuration("lenet", Precision::fp64, 4);
  config.sampler = "random";
  const Trained trained = train_as(config, data_parallel(3, Aggregate::allreduce), data, 20);
  EXPECT_GE(smallest_layer_change(trained), kLeastChange);
}

}  // namespace
}  // namespace dml
