// The training loop: checkpoints and resuming, stopping, losses, NaN, evaluation, time accounting, agreement.
#include "engine/train/trainer.h"

#include <atomic>
#include <cmath>
#include <filesystem>
#include <gtest/gtest.h>
#include <mutex>
#include <string>
#include <vector>

#include "engine/run/checkpoint_directory.h"
#include "engine/run/run_directory.h"
#include "engine/train/agreement.h"
#include "engine/train/learning_rate.h"
#include "engine/train/weights_file.h"
#include "tests/engine/world.h"
#include "tests/temporary_directory.h"

namespace dml {
namespace {

using testing::run_world;
using testing::small_data;
using testing::TemporaryDirectory;

ParallelOptions split(Mode mode, int ranks) {
  ParallelOptions options;
  options.mode = mode;
  options.ranks = ranks;
  if (mode == Mode::model_parallel) {
    options.schedule = Schedule::gpipe;
    options.micro_batches = 3;
  }
  return options;
}

/// 70 samples in batches of 16: 5 steps an epoch, the last one with 6 samples.
RunConfig small_run(Mode mode, int ranks) {
  RunConfig config;
  config.parallel = split(mode, ranks);
  config.batch = 16;
  config.epochs = 3;
  config.seed = 5;
  return config;
}

const DatasetSplits& data() {
  static const DatasetSplits splits = small_data(70, 31);
  return splits;
}

struct Finished {
  TrainResult result;
  std::string hash;
};

/// Trains on all ranks and returns what rank 0 ends with. `stop_after` steps, the run is asked to stop.
Finished train(const RunConfig& config, std::int64_t stop_after = -1) {
  Finished finished;
  std::vector<LatestCheckpoint> latest;
  if (config.resume) latest.push_back(load_latest_checkpoint(config.run_dir));
  run_world(config, data(), [&](Session& session) {
    struct Counter final : TrainObserver {
      std::int64_t steps = 0;
      void on_step(std::int64_t) override { ++steps; }
    } counter;
    Trainer trainer(session, counter, [&] { return stop_after >= 0 && counter.steps >= stop_after; });
    if (config.resume) trainer.resume(session.rank() == 0 ? &latest[0].checkpoint : nullptr, latest[0].path);
    const TrainResult result = trainer.train();
    if (session.rank() == 0) finished = {result, session.weights_hash()};
  });
  return finished;
}

struct Way {
  Mode mode;
  int ranks;
};

std::string name_of(const ::testing::TestParamInfo<Way>& way) {
  std::string name = to_string(way.param.mode) + std::to_string(way.param.ranks);
  std::erase(name, '-');
  return name;
}

class Resume : public ::testing::TestWithParam<Way> {};

TEST_P(Resume, EqualsTheUninterruptedRunBitForBit) {
  for (const auto rule : {OptimizerOptions::Rule::sgd, OptimizerOptions::Rule::adam}) {
    RunConfig config = small_run(GetParam().mode, GetParam().ranks);
    config.optimizer.rule = rule;
    config.learning_rate.schedule = LearningRateOptions::Schedule::cosine;
    const Finished whole = train(config);

    for (const std::int64_t stop_after : {1, 4, 5, 7}) {
      SCOPED_TRACE("stopped after " + std::to_string(stop_after));
      const TemporaryDirectory directory;
      config.run_dir = directory.path();
      config.resume = false;
      const Finished first = train(config, stop_after);
      ASSERT_TRUE(first.result.stopped);
      ASSERT_LT(first.result.steps, whole.result.steps);
      ASSERT_GE(first.result.steps, stop_after);
      EXPECT_NE(first.hash, whole.hash);
      config.resume = true;
      const Finished second = train(config);
      EXPECT_EQ(second.hash, whole.hash);
      EXPECT_EQ(second.result.steps, whole.result.steps);
      EXPECT_EQ(second.result.final_train_loss, whole.result.final_train_loss);
      ASSERT_TRUE(second.result.evaluation.has_value());
      EXPECT_EQ(second.result.evaluation->loss, whole.result.evaluation->loss);
      config.run_dir.clear();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Resume,
                         ::testing::Values(Way{Mode::single, 1}, Way{Mode::data_parallel, 2},
                                           Way{Mode::data_parallel, 3}, Way{Mode::model_parallel, 2}),
                         name_of);

TEST(Trainer, WritesACheckpointEverySoManySteps) {
  const TemporaryDirectory directory;
  RunConfig config = small_run(Mode::single, 1);
  config.run_dir = directory.path();
  config.checkpoint_every_steps = 4;
  train(config);
  const std::vector<std::string> files = list_checkpoints(directory.path());
  ASSERT_EQ(files.size(), 2U);  // of 4, 8, 12 and 15 the newest two
  EXPECT_EQ(load_checkpoint(files[0]).step, 15);
  EXPECT_EQ(load_checkpoint(files[1]).step, 12);
}

TEST(Trainer, LossesAreMeansOverSamplesWhateverTheSplit) {
  struct Losses final : TrainObserver {
    std::vector<EpochReport> epochs;
    std::vector<LossBlock> blocks;
    void on_epoch(const EpochReport& report) override { epochs.push_back(report); }
    void on_loss_block(const LossBlock& block) override { blocks.push_back(block); }
  };
  const auto losses_of = [](const RunConfig& config) {
    Losses kept;
    run_world(config, data(), [&](Session& session) {
      Losses losses;
      Trainer trainer(session, losses, [] { return false; });
      trainer.train();
      if (session.rank() == 0) kept = losses;
    });
    return kept;
  };
  RunConfig config = small_run(Mode::single, 1);
  config.precision = Precision::fp64;
  const Losses single = losses_of(config);
  ASSERT_EQ(single.epochs.size(), 3U);
  ASSERT_EQ(single.blocks.size(), 3U);  // epochs shorter than a block end it
  EXPECT_EQ(single.epochs[0].samples, 70);
  EXPECT_NEAR(single.epochs[0].train_loss, std::log(10.0), 0.2);
  EXPECT_LT(single.epochs[2].train_loss, single.epochs[0].train_loss);
  EXPECT_DOUBLE_EQ(single.blocks[1].loss, single.epochs[1].train_loss);
  for (const Way& way : {Way{Mode::data_parallel, 3}, Way{Mode::model_parallel, 2}}) {
    config.parallel = split(way.mode, way.ranks);
    const Losses other = losses_of(config);
    for (std::size_t e = 0; e < 3; ++e) {
      EXPECT_NEAR(other.epochs[e].train_loss, single.epochs[e].train_loss, 1e-12);
      EXPECT_EQ(other.epochs[e].evaluation->accuracy, single.epochs[e].evaluation->accuracy);
      EXPECT_NEAR(other.epochs[e].evaluation->loss, single.epochs[e].evaluation->loss, 1e-12);
      EXPECT_EQ(other.epochs[e].evaluation->samples, 31);
    }
  }
}

TEST(Trainer, WeightsThatTheLastUpdateRuinedAreNoSuccess) {
  for (const Way& way : {Way{Mode::single, 1}, Way{Mode::data_parallel, 2}, Way{Mode::model_parallel, 2}}) {
    RunConfig config = small_run(way.mode, way.ranks);
    config.steps = 1;
    config.eval_every_epochs = 0;    // nobody looks at the weights afterwards
    config.learning_rate.lr = 1e60;  // infinite in fp32
    try {
      train(config);
      FAIL() << "ruined weights went unnoticed in " << to_string(way.mode);
    } catch (const NegativeResult& error) {
      EXPECT_NE(std::string(error.what()).find("conv1.weight"), std::string::npos) << error.what();
    }
  }
}

TEST(Trainer, NamesStepAndLayerOfANaN) {
  for (const Way& way : {Way{Mode::single, 1}, Way{Mode::data_parallel, 2}, Way{Mode::model_parallel, 2}}) {
    RunConfig config = small_run(way.mode, way.ranks);
    try {
      run_world(config, data(), [](Session& session) {
        struct Poison final : TrainObserver {
          explicit Poison(Session& s) : session_(s) {}
          void on_step(std::int64_t step) override {
            if (step != 3) return;
            const auto offset = static_cast<std::size_t>(session_.layout().weight(1).offset);
            session_.parameter_arena().as<float>()[offset] = std::nanf("");
            session_.parameters_changed();
          }
          Session& session_;
        } poison(session);
        Trainer trainer(session, poison, [] { return false; });
        trainer.train();
      });
      FAIL() << "a NaN went unnoticed in " << to_string(way.mode);
    } catch (const NegativeResult& error) {
      EXPECT_NE(std::string(error.what()).find("step 3"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("conv2"), std::string::npos) << error.what();
    }
  }
}

TEST(Trainer, WeightsThatGiveNoLossAreNotEvaluated) {
  for (const Way& way : {Way{Mode::single, 1}, Way{Mode::data_parallel, 2}, Way{Mode::model_parallel, 2}}) {
    try {
      run_world(small_run(way.mode, way.ranks), data(), [](Session& session) {
        const auto offset = static_cast<std::size_t>(session.layout().weight(1).offset);
        session.parameter_arena().as<float>()[offset] = std::nanf("");
        session.parameters_changed();
        (void)session.evaluate();
      });
      FAIL() << "a NaN was evaluated in " << to_string(way.mode);
    } catch (const NegativeResult& error) {
      EXPECT_NE(std::string(error.what()).find("conv2"), std::string::npos) << error.what();
    }
  }
}

TEST(Trainer, TimesAddUp) {
  for (const Way& way : {Way{Mode::single, 1}, Way{Mode::data_parallel, 2}, Way{Mode::model_parallel, 2}}) {
    RunConfig config = small_run(way.mode, way.ranks);
    config.epochs = 20;
    std::mutex mutex;
    run_world(config, data(), [&](Session& session) {
      TrainObserver observer;
      Trainer trainer(session, observer, [] { return false; });
      const TrainResult result = trainer.train();
      const std::scoped_lock lock(mutex);
      const TimeSplit& time = result.time;
      EXPECT_GT(time.compute_seconds, 0);
      EXPECT_GE(time.wait_seconds, 0);
      EXPECT_GE(time.exposed_communication_seconds, 0);
      EXPECT_GE(time.other_seconds, -1e-9);
      EXPECT_NEAR(
          time.compute_seconds + time.wait_seconds + time.exposed_communication_seconds + time.other_seconds,
          result.train_seconds, 1e-9);
      EXPECT_EQ(result.trained_samples, 20 * 70);
    });
  }
}

TEST(Trainer, StopsAtTheSameStepEverywhereAndWithoutADirectoryKeepsNothing) {
  const RunConfig config = small_run(Mode::data_parallel, 2);
  const Finished finished = train(config, 3);
  EXPECT_TRUE(finished.result.stopped);
  EXPECT_TRUE(finished.result.checkpoint.empty());
}

TEST(WeightsFile, SavedWeightsEvaluateTheSame) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/weights.safetensors";
  RunConfig config = small_run(Mode::model_parallel, 2);
  Evaluation trained{}, loaded{};
  run_world(config, data(), [&](Session& session) {
    TrainObserver observer;
    Trainer trainer(session, observer, [] { return false; });
    const TrainResult result = trainer.train();
    if (session.rank() == 0) {
      trained = *result.evaluation;
      save_weights(session, path);
    }
  });
  for (const Precision precision : {Precision::fp32, Precision::fp64}) {
    RunConfig other = small_run(Mode::single, 1);
    other.precision = precision;
    run_world(other, data(), [&](Session& session) {
      load_weights(session, path);
      loaded = session.evaluate();
    });
    EXPECT_EQ(loaded.accuracy, trained.accuracy);
    EXPECT_NEAR(loaded.loss, trained.loss, 1e-5);
  }
}

TEST(WeightsFile, ForeignFilesAreRefusedByName) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/cnn8.safetensors";
  RunConfig config = small_run(Mode::single, 1);
  config.model = "cnn8";
  run_world(config, data(), [&](Session& session) { save_weights(session, path); });
  config.model = "lenet";
  try {
    run_world(config, data(), [&](Session& session) { load_weights(session, path); });
    FAIL() << "the weights of another model were taken";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
  }
}

TEST(Agreement, NamesTheRankAndTheSettingThatDiffer) {
  const RunConfig config = small_run(Mode::data_parallel, 3);
  std::atomic<int> complaints = 0;
  run_world(config, data(), [&](Session& session) {
    RunConfig mine = config;
    if (session.rank() == 2) mine.learning_rate.lr = 0.5;
    try {
      check_agreement(session.communicator(), session.stream(), canonical_configuration(mine), data());
    } catch (const UsageError& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find("rank 2"), std::string::npos) << message;
      EXPECT_NE(message.find("lr: 0.01 here, 0.5 on rank 2"), std::string::npos) << message;
      ++complaints;
    }
  });
  EXPECT_EQ(complaints, 3);
}

TEST(Agreement, NoticesOtherData) {
  const RunConfig config = small_run(Mode::data_parallel, 2);
  const DatasetSplits other = small_data(69, 31);
  std::atomic<int> complaints = 0;
  run_world(config, data(), [&](Session& session) {
    try {
      check_agreement(session.communicator(), session.stream(), "{}", session.rank() == 1 ? other : data());
    } catch (const UsageError&) {
      ++complaints;
    }
  });
  EXPECT_EQ(complaints, 2);
}

TEST(LearningRate, FollowsItsSchedule) {
  LearningRateOptions options{.lr = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate(options, 5, 0, 10), 0.1);
  options.schedule = LearningRateOptions::Schedule::step;
  options.step_epochs = 2;
  options.gamma = 0.5;
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 1, 10), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 2, 10), 0.05);
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 5, 10), 0.025);
  options.schedule = LearningRateOptions::Schedule::cosine;
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 0, 10), 0.1);
  EXPECT_NEAR(learning_rate(options, 5, 0, 10), 0.05, 1e-15);
  EXPECT_LT(learning_rate(options, 9, 0, 10), 0.01);
  options.schedule = LearningRateOptions::Schedule::constant;
  options.warmup_steps = 4;
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 0, 10), 0.02);
  EXPECT_DOUBLE_EQ(learning_rate(options, 3, 0, 10), 0.08);
  EXPECT_DOUBLE_EQ(learning_rate(options, 4, 0, 10), 0.1);
}

TEST(RunDirectory, RefusesToOverwriteARun) {
  const TemporaryDirectory directory;
  {
    RunDirectory run(directory.path(), false);
    run.write("run.json", "{}");
    run.append_metric("{\"kind\":\"train\"}");
    run.write("result.json", "{}");
  }
  EXPECT_THROW(RunDirectory(directory.path(), false), UsageError);
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/result.json"));  // a refused run changes nothing
  RunDirectory resumed(directory.path(), true);
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/result.json"));
  EXPECT_THROW(RunDirectory("/proc/nowhere", false), IoError);
}

}  // namespace
}  // namespace dml
