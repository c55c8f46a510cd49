// A device that is too small for the batch: the error says how much was asked for what, how much there is,
// and which batch fits. That one is then run.
#include <gtest/gtest.h>
#include <string>

#include "engine/train/session.h"
#include "kernels/base/error.h"
#include "kernels/cuda/device_backend.h"
#include "tests/engine/world.h"

namespace dml {
namespace {

constexpr std::int64_t kMemory = std::int64_t{8} << 20;

/// Compiles a first batch of so many samples on an emulated device of 8 MiB, and with `run` trains on it.
/// What an error said.
std::string training_error(std::int64_t batch, bool run) {
  const DatasetSplits data = testing::small_data(512, 10);
  RunConfig config;
  config.device = Device::emulator;
  config.batch = batch;
  const auto backend = emulator::make_backend({.memory_bytes = kMemory});
  const auto solo = make_solo_communicator();
  const OrderOfEpoch order = [](std::int64_t /*epoch*/) {
    return SampleOrder{512, [](std::int64_t p) { return std::optional(p); }};
  };
  try {
    Session session(config, *backend, *solo, data, order);
    StepBatch first;
    session.batches(0).take(0, first);
    session.prepare(first);
    if (run) {
      const StepOutcome outcome =
          session.train_step(first, {.step = 0, .samples = batch, .learning_rate = 0.01});
      EXPECT_GT(outcome.loss_sum, 0);
    }
  } catch (const OutOfMemoryError& error) {
    return error.what();
  }
  return {};
}

TEST(OutOfMemory, SaysWhichBatchFits) {
  const std::string error = training_error(512, false);
  EXPECT_NE(error.find("512 samples at a time: out of emulated memory: "), std::string::npos) << error;
  EXPECT_NE(error.find(" MiB for "), std::string::npos) << error;
  EXPECT_NE(error.find(" of 8 MiB are free"), std::string::npos) << error;
  const std::size_t place = error.find(" at a time fit: a --batch ");
  ASSERT_NE(place, std::string::npos) << error;
  const std::int64_t fitting = std::stoll(error.substr(error.rfind(' ', place - 1) + 1));
  EXPECT_GT(fitting, 0);
  EXPECT_EQ(training_error(fitting, true), "");
  EXPECT_NE(training_error(2 * fitting, false), "") << "a larger one would have fitted";
}

}  // namespace
}  // namespace dml
