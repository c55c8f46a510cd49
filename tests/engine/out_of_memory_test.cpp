// A device that is too small for the batch: the error says how much was asked for what, how much there is,
// and which --batch fits. That one is then run.
#include <gtest/gtest.h>
#include <string>

#include "engine/train/session.h"
#include "kernels/base/error.h"
#include "kernels/cuda/device_backend.h"
#include "tests/engine/world.h"

namespace dml {
namespace {

constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;
constexpr std::int64_t kSmall = 4 * kMebibyte;  ///< of a device

struct Outcome {
  std::string error;  ///< empty when it went well
  Evaluation evaluation;
};

/// One step with a first batch of so many samples, and an evaluation of 250.
Outcome train(std::int64_t memory, std::int64_t batch, int accumulate = 1) {
  static const DatasetSplits data = testing::small_data(512, 250);
  RunConfig config;
  config.device = Device::emulator;
  config.batch = batch;
  config.parallel.accumulate = accumulate;
  const auto backend = emulator::make_backend({.memory_bytes = memory});
  const auto solo = make_solo_communicator();
  const OrderOfEpoch order = [](std::int64_t /*epoch*/) {
    return SampleOrder{512, [](std::int64_t p) { return std::optional(p); }};
  };
  try {
    Session session(config, *backend, *solo, data, order);
    StepBatch first;
    session.batches(0).take(0, first);
    session.prepare(first);
    const StepOutcome outcome =
        session.train_step(first, {.step = 0, .samples = batch, .learning_rate = 0.01});
    EXPECT_GT(outcome.loss_sum, 0);
    return {"", session.evaluate()};
  } catch (const OutOfMemoryError& error) {
    return {error.what(), {}};
  }
}

/// N of "fit: --batch N"; 0 where there is none.
std::int64_t advised_batch(const std::string& error) {
  const std::string words = " at a time fit: --batch ";
  const std::size_t place = error.find(words);
  return place == std::string::npos ? 0 : std::stoll(error.substr(place + words.size()));
}

TEST(OutOfMemory, SaysWhichBatchFits) {
  const std::string error = train(kSmall, 512).error;
  EXPECT_NE(error.find("512 samples at a time: out of emulated memory: "), std::string::npos) << error;
  EXPECT_NE(error.find(" MiB for "), std::string::npos) << error;
  EXPECT_NE(error.find(" of 4 MiB are free"), std::string::npos) << error;
  const std::int64_t fitting = advised_batch(error);
  ASSERT_GT(fitting, 0) << error;
  EXPECT_EQ(train(kSmall, fitting).error, "");
  EXPECT_NE(train(kSmall, 2 * fitting).error, "") << "a larger one would have fitted";
}

TEST(OutOfMemory, NamesTheBatchAndNotTheSlice) {
  const std::string error = train(kSmall, 512, 2).error;
  EXPECT_NE(error.find("256 samples at a time: "), std::string::npos) << error;
  EXPECT_EQ(advised_batch(error), 2 * advised_batch(train(kSmall, 512).error)) << error;
  EXPECT_EQ(train(kSmall, advised_batch(error), 2).error, "");
}

TEST(OutOfMemory, EvaluatesFewerSamplesAtATime) {
  const std::int64_t batch = advised_batch(train(kSmall, 512).error);
  ASSERT_LT(2 * batch, 250) << "there is room for all of them";
  const Outcome small = train(kSmall, batch), large = train(1024 * kMebibyte, batch);
  EXPECT_EQ(small.evaluation.samples, 250) << small.error;
  // The same losses, of about 2.3, are added in fp32 in other groups: room for seven roundings of 2^-24 each.
  EXPECT_NEAR(small.evaluation.loss, large.evaluation.loss, 1e-6);
  EXPECT_EQ(small.evaluation.accuracy, large.evaluation.accuracy);
}

TEST(OutOfMemory, SaysWhenNotEvenOneSampleFits) {
  const std::string error = train(kMebibyte, 512).error;
  EXPECT_NE(error.find("Not even one fits beside what is there already"), std::string::npos) << error;
}

}  // namespace
}  // namespace dml
