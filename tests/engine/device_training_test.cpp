// Whole training steps through our CUDA kernels, by the emulator or, compiled for one, on a GPU: the same
// losses and weights as on the CPU and by the double reference, and every way of splitting the work computes
// what `single` computes.
//
// Rules (docs/correctness.md): fp32 weights after 10 steps within 2e-6, counted only if every layer moved by
// 1e-3 of its norm. Losses of an epoch of 20 steps within 1e-4.
#include <cmath>
#include <gtest/gtest.h>
#include <string>

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

#if defined(DML_TEST_CUDA)
constexpr Device kTested = Device::cuda;
#else
constexpr Device kTested = Device::emulator;
#endif
constexpr double kBound = 2e-6;
constexpr double kLeastChange = 1e-3;

RunConfig lenet_on(Device device, std::int64_t batch) {
  RunConfig config;
  config.device = device;
  if (device == Device::cuda) config.gpus = std::vector<int>(4, 0);  // every rank on the first GPU
  config.batch = batch;
  config.seed = 3;
  config.learning_rate.lr = 0.01;
  config.optimizer.weight_decay = 1e-4;
  return config;
}

const DatasetSplits& data() {
  static const DatasetSplits splits = small_data(151, 10);
  return splits;
}

const Trained& single() {
  static const Trained trained = train_steps(lenet_on(kTested, 37), data(), 10);
  return trained;
}

TEST(DeviceTraining, EqualsTheCpuAfter10Steps) {
  const Trained cpu = train_steps(lenet_on(Device::cpu, 37), data(), 10);
  EXPECT_LE(relative_error(single().parameters, cpu.parameters), kBound);
  EXPECT_GE(smallest_layer_change(single()), kLeastChange);
}

TEST(DeviceTraining, EqualsTheReferenceAfter10Steps) {
  RunConfig config = lenet_on(Device::cpu, 37);
  config.precision = Precision::fp64;
  const Trained reference = train_steps(config, data(), 10);
  EXPECT_LE(relative_error(single().parameters, reference.parameters), kBound);
}

#if defined(DML_TEST_CUDA)
TEST(DeviceTraining, EqualsTheEmulatorAfter10Steps) {
  const Trained emulator = train_steps(lenet_on(Device::emulator, 37), data(), 10);
  EXPECT_LE(relative_error(single().parameters, emulator.parameters), kBound);
}
#endif

TEST(DeviceTraining, HasTheLossesOfTheCpuForAnEpoch) {
  const DatasetSplits epoch = small_data(640, 10);
  const Trained trained = train_steps(lenet_on(kTested, 32), epoch, 20);
  const Trained cpu = train_steps(lenet_on(Device::cpu, 32), epoch, 20);
  for (std::size_t step = 0; step < cpu.losses.size(); ++step) {
    EXPECT_NEAR(trained.losses[step], cpu.losses[step], 1e-4) << "step " << step;
  }
}

/// A model, and a rate by which every layer moves within a few steps.
struct LargerCase {
  std::string model;
  double lr;
};
class LargerModel : public ::testing::TestWithParam<LargerCase> {};

/// Few steps, for the emulator's sake; a batch whose convolutions have large tiles.
TEST_P(LargerModel, EqualsTheCpuAfter3Steps) {
  const auto trained_on = [](Device device) {
    RunConfig config = lenet_on(device, 5);
    config.model = GetParam().model;
    config.learning_rate.lr = GetParam().lr;
    return train_steps(config, data(), 3);
  };
  const Trained trained = trained_on(kTested);
  EXPECT_LE(relative_error(trained.parameters, trained_on(Device::cpu).parameters), kBound);
  EXPECT_GE(smallest_layer_change(trained), kLeastChange);
}

INSTANTIATE_TEST_SUITE_P(Models, LargerModel,
                         ::testing::Values(LargerCase{"mnist-cnn", 0.05}, LargerCase{"cnn8", 0.5}),
                         [](const ::testing::TestParamInfo<LargerCase>& p) {
                           return p.param.model == "cnn8" ? "cnn8" : "mnist_cnn";
                         });

/// Replicas that update alone and average after every step, which is the same computation.
ParallelOptions averaging_replicas(int ranks, Aggregate aggregate) {
  ParallelOptions options = data_parallel(ranks, aggregate);
  options.local_steps = 1;
  return options;
}

class DeviceSplit : public ::testing::TestWithParam<Split> {};

/// 151 samples in batches of 37 leave a tail of 3.
TEST_P(DeviceSplit, EqualsSingleAfter10Steps) {
  RunConfig config = lenet_on(kTested, 37);
  config.parallel = GetParam().options;
  const Trained split = train_steps(config, data(), 10);
  EXPECT_LE(relative_error(split.parameters, single().parameters), kBound);
  EXPECT_GE(smallest_layer_change(split), kLeastChange);
}

INSTANTIATE_TEST_SUITE_P(Lenet, DeviceSplit,
                         ::testing::Values(Split{"allreduce_2", data_parallel(2, Aggregate::allreduce)},
                                           Split{"allreduce_3", data_parallel(3, Aggregate::allreduce)},
                                           Split{"allgather_2", data_parallel(2, Aggregate::allgather)},
                                           Split{"allgather_4", data_parallel(4, Aggregate::allgather)},
                                           Split{"average_3", averaging_replicas(3, Aggregate::allreduce)},
                                           Split{"conv_fc", model_parallel({2}, Schedule::sequential, 1)},
                                           Split{"conv_fc_gpipe_3", model_parallel({2}, Schedule::gpipe, 3)},
                                           Split{"cuts_1_3", model_parallel({1, 3}, Schedule::sequential, 1)},
                                           Split{"cuts_1_2_3",
                                                 model_parallel({1, 2, 3}, Schedule::gpipe, 4)}),
                         [](const ::testing::TestParamInfo<Split>& p) { return p.param.name; });

}  // namespace
}  // namespace dml
