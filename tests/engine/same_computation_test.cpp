// Every way of splitting the work computes the same thing.
//
// Rules (docs/correctness.md): in fp64 on the reference, 100 steps, within 1e-12 of `single`; in fp32, 10
// steps, within 2e-6; in longer fp32 runs whose weights are reset to single's every 10 steps, the same bound
// at every reset. ReLU and max-pool turn rounding into large differences sooner or later, so free-running
// fp32 drift is not judged. A claim counts only if training moved: every layer's weights changed by at least
// 1e-3 of their norm.
#include <bit>
#include <gtest/gtest.h>
#include <string>
#include <vector>

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

TEST_P(Fp32Lenet, StaysWithSingleWhenResetEvery10Steps) {
  constexpr std::int64_t kSteps = 60, kReset = 10;
  // single's parameters and optimizer state before every tenth step
  std::vector<std::vector<float>> parameters, states;
  const auto snapshot = [](Session& session, std::vector<std::vector<float>>& values,
                           std::vector<std::vector<float>>& optimizer) {
    const auto arena = session.parameter_arena().as<float>();
    values.emplace_back(arena.begin(), arena.end());
    std::vector<float> state;
    for (const auto& slot : session.optimizer_state()) {
      for (const NamedTensor& tensor : slot) {
        const auto v = tensor.values.as<float>();
        state.insert(state.end(), v.begin(), v.end());
      }
    }
    optimizer.push_back(std::move(state));
  };
  RunConfig single_config = config();
  train_steps(single_config, data(), kSteps, [&](Session& session, std::int64_t step) {
    if (step % kReset == 0) snapshot(session, parameters, states);
  });

  double worst = 0;
  RunConfig split_config = config();
  split_config.parallel = GetParam().options;
  train_steps(split_config, data(), kSteps, [&](Session& session, std::int64_t step) {
    if (step % kReset != 0) return;
    session.gather_parameters();
    const auto at = static_cast<std::size_t>(step / kReset);
    const auto arena = session.parameter_arena().as<float>();
    if (session.rank() == 0) {
      const std::vector<double> mine(arena.begin(), arena.end());
      worst = std::max(worst, relative_error(mine, {parameters[at].begin(), parameters[at].end()}));
    }
    std::copy(parameters[at].begin(), parameters[at].end(), arena.begin());
    auto from = states[at].begin();
    for (const auto& slot : session.optimizer_state()) {
      for (const NamedTensor& tensor : slot) {
        const auto to = tensor.values.as<float>();
        std::copy_n(from, to.size(), to.begin());
        from += static_cast<std::ptrdiff_t>(to.size());
      }
    }
    session.parameters_changed();
  });
  EXPECT_LE(worst, kFp32Bound);
}

INSTANTIATE_TEST_SUITE_P(Splits, Fp32Lenet, ::testing::ValuesIn(lenet_splits()), name_of);

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
