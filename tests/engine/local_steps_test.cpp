// Replicas that train alone for some steps and then average, and shares that follow speed.
#include <gtest/gtest.h>
#include <mutex>
#include <string>
#include <vector>

#include "engine/run/checkpoint_directory.h"
#include "engine/train/trainer.h"
#include "tests/engine/world.h"
#include "tests/temporary_directory.h"

namespace dml {
namespace {

using testing::relative_error;
using testing::run_world;
using testing::small_data;
using testing::smallest_layer_change;
using testing::TemporaryDirectory;
using testing::train_steps;
using testing::Trained;

constexpr double kFp64Bound = 1e-12;  // as for every mode that is the same computation (docs/correctness.md)

const DatasetSplits& data() {
  static const DatasetSplits splits = small_data(70, 31);  // batches of 16: five steps, the last one with 6
  return splits;
}

RunConfig replicas(int ranks, std::int64_t local_steps, Precision precision = Precision::fp64) {
  RunConfig config;
  if (ranks > 1) config.parallel.mode = Mode::data_parallel;
  config.parallel.ranks = ranks;
  config.parallel.local_steps = local_steps;
  config.precision = precision;
  config.batch = 16;
  config.epochs = 4;
  config.seed = 5;
  return config;
}

TEST(LocalSteps, AveragingAfterEveryStepIsSynchronousSgd) {
  const Trained single = train_steps(replicas(1, 0), data(), 20);
  for (const int ranks : {2, 3}) {
    for (const Aggregate aggregate : {Aggregate::allreduce, Aggregate::allgather}) {
      RunConfig config = replicas(ranks, 1);
      config.parallel.aggregate = aggregate;
      config.parallel.bucket_bytes = 100'000;
      const Trained local = train_steps(config, data(), 20);
      EXPECT_LE(relative_error(local.parameters, single.parameters), kFp64Bound);
      EXPECT_GE(smallest_layer_change(local), 1e-3);
    }
  }
}

/// The parameters of every rank after `steps` steps, and how many samples each has seen.
struct Replica {
  std::vector<double> parameters;
  double samples = 0;
};
std::vector<Replica> replicas_after(const RunConfig& config, std::int64_t steps) {
  std::vector<Replica> found(static_cast<std::size_t>(config.parallel.ranks));
  run_world(config, data(), [&](Session& session) {
    Replica& replica = found[static_cast<std::size_t>(session.rank())];
    const BatchSequence batches = session.batches(0);
    StepBatch batch;
    for (std::int64_t step = 0; step < steps; ++step) {
      batches.take(step, batch);
      session.train_step(batch, {.step = step, .samples = batch.samples, .learning_rate = 0.05});
      replica.samples += static_cast<double>(batch.replica_samples[static_cast<std::size_t>(session.rank())]);
    }
    const auto values = session.parameter_arena().as<double>();
    replica.parameters.assign(values.begin(), values.end());
  });
  return found;
}

TEST(LocalSteps, AnAverageWeighsEachReplicaByItsSamples) {
  RunConfig config = replicas(2, 100);
  config.batch = 15;  // 8 and 7 samples a step
  const std::vector<Replica> alone = replicas_after(config, 3);
  EXPECT_GT(relative_error(alone[0].parameters, alone[1].parameters), 1e-4) << "they trained together";
  config.parallel.local_steps = 3;
  const std::vector<Replica> averaged = replicas_after(config, 3);
  EXPECT_EQ(averaged[0].parameters, averaged[1].parameters);

  std::vector<double> expected;
  const double all = alone[0].samples + alone[1].samples;
  ASSERT_NE(alone[0].samples, alone[1].samples);
  for (std::size_t i = 0; i < alone[0].parameters.size(); ++i) {
    expected.push_back(
        (alone[0].samples * alone[0].parameters[i] + alone[1].samples * alone[1].parameters[i]) / all);
  }
  EXPECT_LE(relative_error(averaged[0].parameters, expected), kFp64Bound);
}

TEST(LocalSteps, AReplicaWithoutSamplesStaysWhereItIsAndWeighsNothing) {
  RunConfig config = replicas(3, 2);
  config.batch = 2;  // the third replica never has a sample in these steps, since positions go round by three
  const std::vector<Replica> replicas = replicas_after(config, 2);
  EXPECT_EQ(replicas[0].parameters, replicas[2].parameters);
}

struct Finished {
  TrainResult result;
  std::string hash;
};

Finished train(const RunConfig& config, std::int64_t stop_after = -1) {
  Finished finished;
  LatestCheckpoint latest;
  if (config.resume) latest = load_latest_checkpoint(config.run_dir);
  run_world(config, data(), [&](Session& session) {
    struct Counter final : TrainObserver {
      std::int64_t steps = 0;
      void on_step(std::int64_t /*step*/) override { ++steps; }
    } counter;
    Trainer trainer(session, counter, [&] { return stop_after >= 0 && counter.steps >= stop_after; });
    if (config.resume) trainer.resume(session.rank() == 0 ? &latest.checkpoint : nullptr, latest.path);
    const TrainResult result = trainer.train();
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    const std::string hash = session.weights_hash();
    EXPECT_TRUE(finished.hash.empty() || finished.hash == hash) << "replicas end with other weights";
    finished.hash = hash;
    if (session.rank() == 0) finished.result = result;
  });
  return finished;
}

TEST(LocalSteps, AStoppedRunGoesOnBitForBit) {
  for (const std::int64_t local_steps : {2, 3, 100}) {
    RunConfig config = replicas(2, local_steps, Precision::fp32);
    const Finished whole = train(config);
    for (const std::int64_t stop_after : {1, 4, 7}) {
      SCOPED_TRACE(std::to_string(local_steps) + " local steps, stopped after " + std::to_string(stop_after));
      const TemporaryDirectory directory;
      config.run_dir = directory.path();
      config.resume = false;
      config.checkpoint_every_steps = stop_after == 4 ? 2 : 0;
      const Finished first = train(config, stop_after);
      ASSERT_TRUE(first.result.stopped);
      EXPECT_TRUE(first.result.steps % 5 == 0 || first.result.steps % 5 % local_steps == 0)
          << "stopped inside a round, at step " << first.result.steps;
      config.resume = true;
      EXPECT_EQ(train(config).hash, whole.hash);
    }
  }
}

// ---- the ledger

TEST(LedgerOfARun, EveryEpochConsumesEachSampleOnce) {
  for (const auto& [mode, ranks] : std::vector<std::pair<Mode, int>>{
           {Mode::single, 1}, {Mode::data_parallel, 3}, {Mode::model_parallel, 2}}) {
    RunConfig config = replicas(1, 0, Precision::fp32);
    config.parallel.mode = mode;
    config.parallel.ranks = ranks;
    const Finished run = train(config);
    ASSERT_EQ(run.result.ledgers.size(), 4U);
    for (const EpochLedger& ledger : run.result.ledgers) {
      EXPECT_EQ(ledger.once, 70) << to_string(mode);
      EXPECT_TRUE(ledger.whole);
      EXPECT_EQ(ledger.sum, run.result.ledgers.front().sum);
    }
  }
}

TEST(LedgerOfARun, CountsAcrossAResumeOnOtherRanks) {
  RunConfig config = replicas(2, 0, Precision::fp32);
  config.sampler = "random";
  config.partitions = 2;
  const Finished whole = train(config);
  const TemporaryDirectory directory;
  config.run_dir = directory.path();
  const Finished first = train(config, 1);
  ASSERT_TRUE(first.result.stopped);
  ASSERT_NE(first.result.steps % 5, 0) << "nothing of an epoch lies before the stop";
  config.resume = true;
  config.parallel = {};  // goes on as a single rank
  const Finished second = train(config);
  ASSERT_EQ(second.result.ledgers.size(), 4U);
  for (std::size_t epoch = 0; epoch < 4; ++epoch) {
    EXPECT_EQ(second.result.ledgers[epoch].sum, whole.result.ledgers[epoch].sum);
    EXPECT_EQ(second.result.ledgers[epoch].never, whole.result.ledgers[epoch].never);
  }
  EXPECT_GT(whole.result.ledgers[0].repeated, 0);
}

TEST(LedgerOfARun, AnOrderThatChangedIsRefusedOnResume) {
  RunConfig config = replicas(2, 0, Precision::fp32);
  const TemporaryDirectory directory;
  config.run_dir = directory.path();
  ASSERT_NE(train(config, 1).result.steps % 5, 0);
  config.resume = true;
  config.seed = 6;  // what the program compares before this point is not the trainer's business
  try {
    train(config);
    FAIL() << "went on with other samples";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("are not those that the order of this run begins with"),
              std::string::npos)
        << error.what();
  }
}

// ---- shares by speed

TEST(ShareBySpeed, IsTheSameComputation) {
  RunConfig config = replicas(1, 0);
  const Finished single = train(config);
  config = replicas(2, 0);
  config.parallel.share = Share::speed;
  config.slow = SlowOptions{.rank = 1, .phase = StepPhase::forward, .ms = 3};
  std::vector<double> shared, alone;
  const auto parameters_of = [](const RunConfig& run, std::vector<double>& values) {
    run_world(run, data(), [&](Session& session) {
      TrainObserver nobody;
      Trainer trainer(session, nobody, [] { return false; });
      const TrainResult result = trainer.train();
      if (session.rank() != 0) return;
      const auto arena = session.parameter_arena().as<double>();
      values.assign(arena.begin(), arena.end());
      for (const EpochLedger& ledger : result.ledgers) EXPECT_EQ(ledger.once, 70);
    });
  };
  parameters_of(replicas(1, 0), alone);
  parameters_of(config, shared);
  EXPECT_NE(shared, alone) << "shares were equal, or nothing was added in another order";
  EXPECT_LE(relative_error(shared, alone), kFp64Bound);
}

}  // namespace
}  // namespace dml
