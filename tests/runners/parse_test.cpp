// The command line: what is accepted, what it means, and that every refusal names flag, value, rule and fix.
#include "runners/cli/parse.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "runners/cli/flags.h"

namespace dml {
namespace {

using Words = std::vector<std::string>;

/// A machine with 4 cores and no GPU.
Environment plain_machine() {
  Environment environment;
  environment.usable_cores = 4;
  environment.find_gpus = [] { return NvidiaInventory{"no NVIDIA driver", "", {}}; };
  return environment;
}

Environment under_launcher(const Variables& variables) {
  Environment environment = plain_machine();
  environment.variables = variables;
  return environment;
}

Words split(const std::string& line) {
  Words words;
  std::size_t begin = 0;
  while (begin < line.size()) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    if (end > begin) words.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

Invocation parse(const std::string& line, const Environment& environment = plain_machine()) {
  return parse_command_line(split(line), environment);
}

struct Refusal {
  ExitCode code = ExitCode::ok;
  std::string message;
};

Refusal refusal(const Words& words, const Environment& environment = plain_machine()) {
  try {
    static_cast<void>(parse_command_line(words, environment));
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

const Setting* find_setting(const Invocation& invocation, const std::string& name) {
  const auto found = std::find_if(invocation.settings.begin(), invocation.settings.end(),
                                  [&](const Setting& setting) { return setting.name == name; });
  return found == invocation.settings.end() ? nullptr : &*found;
}

// ---- what is accepted
// ----------------------------------------------------------------------------------------

TEST(Parse, PartitionsAreOneAReplicaUnlessTheFlagSaysSo) {
  const auto partitions = [](const std::string& line) { return parse(line).config.partitions; };
  EXPECT_EQ(partitions("--sampler shards:k=3 --mode data-parallel --ranks 4"), 4);
  EXPECT_EQ(partitions("--sampler shards:k=3 --mode data-parallel --ranks 4 --partitions 8"), 8);
  EXPECT_EQ(partitions("--sampler shards --mode model-parallel"), 1);
  EXPECT_EQ(partitions("--sampler shards --partitions 8"), 8);
  EXPECT_EQ(partitions("--mode data-parallel --ranks 4"), 0) << "balanced has one order for any number";
}

TEST(Parse, NoWordsAskForNothing) {
  EXPECT_EQ(parse("").command, Command::none);
}

TEST(Parse, TrainIsTheDefaultCommand) {
  EXPECT_EQ(parse("--epochs 1").command, Command::train);
  EXPECT_EQ(parse("train").command, Command::train);
}

TEST(Parse, DefaultsAreThoseOfTheRunConfiguration) {
  const RunConfig expected;
  const RunConfig config = parse("train").config;
  EXPECT_EQ(config.parallel.mode, expected.parallel.mode);
  EXPECT_EQ(config.parallel.ranks, expected.parallel.ranks);
  EXPECT_EQ(config.model, expected.model);
  EXPECT_EQ(config.data.name, expected.data.name);
  EXPECT_EQ(config.data.limit_train, expected.data.limit_train);
  EXPECT_EQ(config.epochs, expected.epochs);
  EXPECT_EQ(config.steps, expected.steps);
  EXPECT_EQ(config.batch, expected.batch);
  EXPECT_EQ(config.optimizer.rule, expected.optimizer.rule);
  EXPECT_EQ(config.optimizer.momentum, expected.optimizer.momentum);
  EXPECT_EQ(config.optimizer.nesterov, expected.optimizer.nesterov);
  EXPECT_EQ(config.optimizer.weight_decay, expected.optimizer.weight_decay);
  EXPECT_EQ(config.learning_rate.lr, expected.learning_rate.lr);
  EXPECT_EQ(config.learning_rate.schedule, expected.learning_rate.schedule);
  EXPECT_EQ(config.sampler, expected.sampler);
  EXPECT_EQ(config.seed, expected.seed);
  EXPECT_EQ(config.eval_every_epochs, expected.eval_every_epochs);
  EXPECT_EQ(config.deadline, expected.deadline);
  EXPECT_EQ(config.checkpoint_every_steps, expected.checkpoint_every_steps);
  EXPECT_FALSE(config.resume);
  const RunConfig parallel = parse("--mode data-parallel").config;
  EXPECT_EQ(parallel.parallel.bucket_bytes, expected.parallel.bucket_bytes);
  EXPECT_EQ(parallel.parallel.aggregate, expected.parallel.aggregate);
  const BenchmarkOptions benchmark = parse("benchmark").benchmark;
  EXPECT_EQ(benchmark.rounds, BenchmarkOptions().rounds);
  EXPECT_EQ(benchmark.steps, BenchmarkOptions().steps);
  EXPECT_EQ(benchmark.warmup_steps, BenchmarkOptions().warmup_steps);
}

TEST(Parse, EveryFlagReachesTheConfiguration) {
  const Invocation invocation = parse(
      "train --mode data-parallel --ranks 3 --threads 2 --model cnn8 --precision fp64 --init-from "
      "a.safetensors "
      "--save-to b.safetensors --dataset synthetic --data-dir d --limit-train 100 --limit-test 50 --epochs 7 "
      "--steps "
      "9 --batch 24 --optimizer sgd --lr 0.5 --momentum 0.25 --nesterov --weight-decay 0.125 --lr-schedule "
      "step:epochs=3,gamma=0.5,warmup=4 --accumulate 2 --seed 18446744073709551615 --eval-every 0 "
      "--aggregate "
      "allgather --bucket-bytes 4096 --sampler random --run-dir r --json --quiet --checkpoint-every 5 "
      "--deadline "
      "1500ms --dry-run --rendezvous 127.0.0.1:4000");
  const RunConfig& config = invocation.config;
  EXPECT_EQ(config.parallel.mode, Mode::data_parallel);
  EXPECT_EQ(config.parallel.ranks, 3);
  EXPECT_EQ(config.parallel.aggregate, Aggregate::allgather);
  EXPECT_EQ(config.parallel.bucket_bytes, 4096);
  EXPECT_EQ(config.parallel.accumulate, 2);
  EXPECT_EQ(config.threads, 2);
  EXPECT_EQ(config.model, "cnn8");
  EXPECT_EQ(config.precision, Precision::fp64);
  EXPECT_EQ(config.init_from, "a.safetensors");
  EXPECT_EQ(config.save_to, "b.safetensors");
  EXPECT_EQ(config.data.name, "synthetic");
  EXPECT_EQ(config.data.directory, "d");
  EXPECT_EQ(config.data.limit_train, 100);
  EXPECT_EQ(config.data.limit_test, 50);
  EXPECT_EQ(config.epochs, 7);
  EXPECT_EQ(config.steps, 9);
  EXPECT_EQ(config.batch, 24);
  EXPECT_EQ(config.learning_rate.lr, 0.5);
  EXPECT_EQ(config.learning_rate.schedule, LearningRateOptions::Schedule::step);
  EXPECT_EQ(config.learning_rate.step_epochs, 3);
  EXPECT_EQ(config.learning_rate.gamma, 0.5);
  EXPECT_EQ(config.learning_rate.warmup_steps, 4);
  EXPECT_EQ(config.optimizer.momentum, 0.25);
  EXPECT_TRUE(config.optimizer.nesterov);
  EXPECT_EQ(config.optimizer.weight_decay, 0.125);
  EXPECT_EQ(config.seed, 18446744073709551615U);
  EXPECT_EQ(config.eval_every_epochs, 0);
  EXPECT_EQ(config.sampler, "random");
  EXPECT_EQ(config.run_dir, "r");
  EXPECT_EQ(config.checkpoint_every_steps, 5);
  EXPECT_EQ(config.deadline, std::chrono::milliseconds(1500));
  EXPECT_EQ(invocation.rendezvous, "127.0.0.1:4000");
  EXPECT_TRUE(invocation.json);
  EXPECT_TRUE(invocation.quiet);
  EXPECT_TRUE(invocation.dry_run);
  EXPECT_TRUE(invocation.starts_ranks());
}

TEST(Parse, ValuesMayFollowAnEqualsSign) {
  EXPECT_EQ(parse("--epochs=3 --lr=1e-3").config.epochs, 3);
  EXPECT_EQ(parse("--lr=1e-3").config.learning_rate.lr, 1e-3);
}

TEST(Parse, AdamAndCosineWithWarmup) {
  const RunConfig config =
      parse("--optimizer adam --lr-schedule cosine:warmup=10 --resume --run-dir r").config;
  EXPECT_EQ(config.optimizer.rule, OptimizerOptions::Rule::adam);
  EXPECT_EQ(config.learning_rate.schedule, LearningRateOptions::Schedule::cosine);
  EXPECT_EQ(config.learning_rate.warmup_steps, 10);
  EXPECT_TRUE(config.resume);
}

TEST(Parse, ModelParallelHasOneRankPerStage) {
  const ParallelOptions conv_fc = parse("--mode model-parallel").config.parallel;
  EXPECT_EQ(conv_fc.split, std::vector<int>{2});  // lenet: conv1 conv2 | fc1 fc2
  EXPECT_EQ(conv_fc.ranks, 2);
  EXPECT_EQ(conv_fc.micro_batches, 1);
  const ParallelOptions three =
      parse("--mode model-parallel --split 1,3 --ranks 3 --schedule gpipe").config.parallel;
  EXPECT_EQ(three.split, (std::vector<int>{1, 3}));
  EXPECT_EQ(three.ranks, 3);
  EXPECT_EQ(three.micro_batches, 4);
  EXPECT_EQ(three.schedule, Schedule::gpipe);
  EXPECT_EQ(parse("--mode model-parallel --micro-batches 7").config.parallel.micro_batches, 7);
}

TEST(Parse, BatchPerRankIsTheShareOfOneReplicaInOneSlice) {
  EXPECT_EQ(parse("--mode data-parallel --ranks 3 --batch-per-rank 8 --accumulate 2").config.batch,
            8 * 3 * 2);
  EXPECT_EQ(parse("--mode model-parallel --batch-per-rank 8").config.batch, 8);
  EXPECT_EQ(parse("--batch-per-rank 8").config.batch, 8);
}

TEST(Parse, ThreadsShareTheCoresOfTheMachine) {
  EXPECT_EQ(parse("train").config.threads, 4);
  EXPECT_EQ(parse("--mode data-parallel").config.threads, 2);
  EXPECT_EQ(parse("--mode data-parallel --ranks 3").config.threads, 1);
  EXPECT_EQ(parse("--mode data-parallel --ranks 8 --batch 8").config.threads, 1);
}

TEST(Parse, BenchmarkStepsAreThoseOfARound) {
  const Invocation invocation = parse("benchmark --steps 30 --rounds 3 --warmup-steps 0");
  EXPECT_EQ(invocation.benchmark.steps, 30);
  EXPECT_EQ(invocation.benchmark.rounds, 3);
  EXPECT_EQ(invocation.benchmark.warmup_steps, 0);
  EXPECT_FALSE(invocation.config.steps.has_value());
}

TEST(Parse, EvaluateTakesTheWeightsOfARunDirectory) {
  EXPECT_EQ(parse("evaluate --run-dir runs/1").config.init_from, "runs/1/weights.safetensors");
  EXPECT_EQ(parse("evaluate --run-dir runs/1").config.run_dir, "");
  EXPECT_EQ(parse("evaluate --init-from w.safetensors --mode model-parallel").config.parallel.ranks, 2);
}

TEST(Parse, HelpInItsThreeForms) {
  EXPECT_EQ(parse("help").command, Command::help);
  EXPECT_EQ(parse("help modes").topic, Words{"modes"});
  EXPECT_EQ(parse("--help").topic, Words{});
  EXPECT_EQ(parse("-h").command, Command::help);
  EXPECT_EQ(parse("benchmark --help").topic, Words{"benchmark"});
  EXPECT_EQ(parse("train --help --ranks 0").topic, Words{"train"}) << "help wins over values that are wrong";
}

TEST(Parse, Version) {
  EXPECT_EQ(parse("--version").command, Command::version);
}

TEST(Parse, EffectiveConfigurationKeepsTheSourceOfEachValue) {
  const Invocation invocation = parse("--mode data-parallel --lr 0.10 --batch-per-rank 4");
  const auto source = [&](const char* name) { return find_setting(invocation, name)->source; };
  EXPECT_EQ(source("mode"), Setting::Source::flag);
  EXPECT_EQ(source("ranks"), Setting::Source::fallback);
  EXPECT_EQ(source("threads"), Setting::Source::derived);
  EXPECT_EQ(source("batch"), Setting::Source::derived);
  EXPECT_EQ(find_setting(invocation, "batch")->value, "8");
  EXPECT_EQ(find_setting(invocation, "lr")->value, "0.1");
  EXPECT_EQ(find_setting(invocation, "threads")->note, "4 usable cores / 2 local ranks");
  EXPECT_TRUE(invocation.given("lr"));
  EXPECT_FALSE(invocation.given("epochs"));
  const Invocation launched = parse(
      "--mode data-parallel", under_launcher({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "1"}}));
  EXPECT_EQ(find_setting(launched, "ranks")->source, Setting::Source::environment);
}

TEST(Parse, NoSettingIsListedTwice) {
  for (const char* line :
       {"train", "benchmark", "evaluate --init-from f", "--mode data-parallel --resume --run-dir r",
        "--mode model-parallel --schedule gpipe --seed 3 --sampler random --deadline 3"}) {
    std::vector<std::string> names;
    for (const Setting& setting : parse(line).settings) names.push_back(setting.name);
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << line;
  }
}

// ---- launchers
// -----------------------------------------------------------------------------------------------

const Variables kSecondOfFour = {{"RANK", "1"},
                                 {"WORLD_SIZE", "4"},
                                 {"LOCAL_RANK", "1"},
                                 {"LOCAL_WORLD_SIZE", "2"},
                                 {"MASTER_ADDR", "127.0.0.1"},
                                 {"MASTER_PORT", "29500"}};

TEST(ParseUnderLauncher, WorldAndThreadsComeFromTheEnvironment) {
  const Invocation invocation = parse("--mode data-parallel", under_launcher(kSecondOfFour));
  EXPECT_EQ(invocation.config.parallel.ranks, 4);
  EXPECT_EQ(invocation.config.threads, 2);  // 4 cores for the 2 ranks of this host
  EXPECT_FALSE(invocation.starts_ranks());
  EXPECT_EQ(invocation.contract.rendezvous_address(), "127.0.0.1:29501");
}

TEST(ParseUnderLauncher, ContradictingRanksNameBothSources) {
  const Refusal result = refusal(split("--mode data-parallel --ranks 2"), under_launcher(kSecondOfFour));
  EXPECT_EQ(result.code, ExitCode::usage);
  EXPECT_NE(result.message.find("--ranks 2"), std::string::npos) << result.message;
  EXPECT_NE(result.message.find("WORLD_SIZE=4"), std::string::npos) << result.message;
}

TEST(ParseUnderLauncher, SeveralRanksNeedAMode) {
  const Refusal result = refusal(split("--epochs 1"), under_launcher(kSecondOfFour));
  EXPECT_EQ(result.code, ExitCode::usage);
  EXPECT_NE(result.message.find("WORLD_SIZE=4 needs --mode"), std::string::npos) << result.message;
}

TEST(ParseUnderLauncher, StagesMustBeAsManyAsTheWorld) {
  const Refusal result = refusal(split("--mode model-parallel"), under_launcher(kSecondOfFour));
  EXPECT_EQ(result.code, ExitCode::usage);
  EXPECT_NE(result.message.find("--split 1,2,3"), std::string::npos) << result.message;
}

// ---- what is refused
// -----------------------------------------------------------------------------------------

struct BadLine {
  const char* line;
  ExitCode code;
  std::vector<std::string> mentions;  ///< flag, value, rule, fix
};

class BadInput : public testing::TestWithParam<BadLine> {};

TEST_P(BadInput, IsRefusedWithFlagValueRuleAndFix) {
  const Refusal result = refusal(split(GetParam().line));
  EXPECT_EQ(static_cast<int>(result.code), static_cast<int>(GetParam().code)) << GetParam().line;
  for (const std::string& mention : GetParam().mentions) {
    EXPECT_NE(result.message.find(mention), std::string::npos)
        << "no '" << mention << "' in: " << result.message;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Words, BadInput,
    testing::Values(
        BadLine{"--batch-size 32", ExitCode::usage, {"--batch-size", "Here it is --batch."}},
        BadLine{"--nproc-per-node=2", ExitCode::usage, {"--nproc-per-node", "--ranks"}},
        BadLine{"--nproc_per_node 2", ExitCode::usage, {"--nproc_per_node", "--ranks"}},
        BadLine{"--learning-rate 1", ExitCode::usage, {"--lr"}},
        BadLine{"--bs 32", ExitCode::usage, {"--batch"}},
        BadLine{"--num-epochs 3", ExitCode::usage, {"--epochs"}},
        BadLine{"--world-size 2", ExitCode::usage, {"--ranks"}},
        BadLine{"--backend gloo", ExitCode::usage, {"--device", "Gloo"}},
        BadLine{"--epoch 3", ExitCode::usage, {"Did you mean --epochs?"}},
        BadLine{"--momentun 0.9", ExitCode::usage, {"Did you mean --momentum?"}},
        BadLine{"--weight_decay 0", ExitCode::usage, {"Did you mean --weight-decay?"}},
        BadLine{"--weight 0", ExitCode::usage, {"Did you mean --weight-decay?"}},
        BadLine{"-lr 0.1", ExitCode::usage, {"-lr", "two dashes", "--lr"}},
        BadLine{"-b 0.1", ExitCode::usage, {"-b", "no such flag"}},
        BadLine{"--xyzzy", ExitCode::usage, {"--xyzzy", "help train"}},
        BadLine{"trian", ExitCode::usage, {"trian", "no such command", "Did you mean train?"}},
        BadLine{"data-parallel", ExitCode::usage, {"--mode data-parallel"}},
        BadLine{"ddp", ExitCode::usage, {"--mode data-parallel"}},
        BadLine{"frobnicate", ExitCode::usage, {"train, evaluate"}},
        BadLine{"train now", ExitCode::usage, {"now", "no further words"}},
        BadLine{"--lr", ExitCode::usage, {"--lr", "missing", "--lr X"}},
        BadLine{"--lr 1 --lr 2", ExitCode::usage, {"--lr", "2 times"}},
        BadLine{"--json=maybe", ExitCode::usage, {"--json=maybe", "takes no value"}},
        BadLine{"--run-dir=", ExitCode::usage, {"--run-dir", "empty"}},
        BadLine{"benchmark --epochs 1", ExitCode::usage, {"--epochs", "benchmark", "train, study or demo"}},
        BadLine{"train --rounds 1", ExitCode::usage, {"--rounds", "benchmark does"}},
        BadLine{"evaluate", ExitCode::usage, {"--init-from FILE", "--run-dir DIR"}},
        BadLine{"evaluate --init-from f --run-dir r", ExitCode::usage, {"one place"}}));

INSTANTIATE_TEST_SUITE_P(
    Modes, BadInput,
    testing::Values(
        BadLine{"--mode dp", ExitCode::usage, {"--mode dp", "Did you mean --mode data-parallel?"}},
        BadLine{"--mode pp", ExitCode::usage, {"Did you mean --mode model-parallel?"}},
        BadLine{"--mode modelparallel", ExitCode::usage, {"Did you mean --mode model-parallel?"}},
        BadLine{"--mode tandem", ExitCode::usage, {"single, data-parallel or model-parallel"}},
        BadLine{"--mode hybrid", ExitCode::usage, {"--mode hybrid", "data-parallel"}},
        BadLine{"--ranks 2",
                ExitCode::usage,
                {"--ranks 2 needs --mode", "dml_engine --ranks 2 --mode data-parallel\n",
                 "--mode data-parallel --aggregate allgather", "--mode model-parallel"}},
        BadLine{"--ranks 3", ExitCode::usage, {"--mode model-parallel --split 1,2"}},
        BadLine{
            "--ranks 0 --mode data-parallel", ExitCode::usage, {"--ranks 0", "from 1 to 1024", "--ranks 2"}},
        BadLine{"--ranks -1 --mode data-parallel", ExitCode::usage, {"--ranks -1", "from 1"}},
        BadLine{"--ranks two --mode data-parallel", ExitCode::usage, {"--ranks two", "whole number"}},
        BadLine{"--ranks 2 --mode single", ExitCode::usage, {"--mode single", "--ranks 2 asks for more"}},
        BadLine{"--mode model-parallel --ranks 3", ExitCode::usage, {"3", "2 stages", "--split 1,2"}},
        BadLine{"--mode model-parallel --ranks 9", ExitCode::usage, {"4 layers", "at most 4"}},
        BadLine{"--mode model-parallel --ranks 1", ExitCode::usage, {"--mode single"}},
        BadLine{
            "--mode model-parallel --split 0", ExitCode::usage, {"--split 0", "from 1 to 3", "--split 2"}},
        BadLine{"--mode model-parallel --split 4", ExitCode::usage, {"--split 4", "layers 0 to 3"}},
        BadLine{"--mode model-parallel --split 2,1", ExitCode::usage, {"--split 2,1", "rise", "1 follows 2"}},
        BadLine{"--mode model-parallel --split 2,2", ExitCode::usage, {"2 follows 2"}},
        BadLine{"--mode model-parallel --split 1,,2", ExitCode::usage, {"--split 1,,2", "commas"}},
        BadLine{"--mode model-parallel --split auto", ExitCode::usage, {"--split auto", "conv-fc"}},
        BadLine{"--mode model-parallel --schedule 1f1b", ExitCode::usage, {"1f1b", "sequential or gpipe"}},
        BadLine{"--mode model-parallel --schedule pipedream", ExitCode::usage, {"sequential or gpipe"}},
        BadLine{"--mode model-parallel --micro-batches 0", ExitCode::usage, {"--micro-batches 0", "from 1"}},
        BadLine{"--mode model-parallel --batch 3 --schedule gpipe",
                ExitCode::usage,
                {"--batch 3", "4 micro-batches", "--batch 4"}},
        BadLine{
            "--mode model-parallel --accumulate 2", ExitCode::usage, {"--accumulate 2", "--micro-batches"}},
        BadLine{"--mode model-parallel --aggregate allreduce",
                ExitCode::usage,
                {"--aggregate allreduce", "--mode data-parallel", "model-parallel"}},
        BadLine{"--mode data-parallel --batch 3 --ranks 4",
                ExitCode::usage,
                {"--batch 3", "4 replicas", "at least 4"}},
        BadLine{"--mode data-parallel --batch 3 --accumulate 2",
                ExitCode::usage,
                {"--batch 3", "--accumulate 2", "at least 4"}},
        BadLine{"--batch 3 --accumulate 4", ExitCode::usage, {"--batch 3", "at least 4"}},
        BadLine{"--mode data-parallel --split 2",
                ExitCode::usage,
                {"--split 2", "model-parallel", "Leave --split out"}},
        BadLine{"--split 2", ExitCode::usage, {"--split 2", "Add --mode model-parallel"}},
        BadLine{
            "--aggregate allgather", ExitCode::usage, {"--aggregate allgather", "Add --mode data-parallel"}},
        BadLine{"--mode single --aggregate allgather",
                ExitCode::usage,
                {"--aggregate allgather", "--mode is single"}},
        BadLine{"--mode data-parallel --aggregate ring", ExitCode::usage, {"allreduce or allgather"}},
        BadLine{"--mode data-parallel --bucket-bytes 0", ExitCode::usage, {"--bucket-bytes 0", "from 8"}},
        BadLine{
            "--mode data-parallel --rendezvous here", ExitCode::usage, {"--rendezvous here", "host:port"}},
        BadLine{"--mode data-parallel --rendezvous a:0", ExitCode::usage, {"1 to 65535"}},
        BadLine{"--rendezvous a:1", ExitCode::usage, {"--rendezvous a:1", "meets nobody"}}));

INSTANTIATE_TEST_SUITE_P(
    Values, BadInput,
    testing::Values(
        BadLine{"--batch 0", ExitCode::usage, {"--batch 0", "from 1", "--batch 32"}},
        BadLine{"--batch 1e3", ExitCode::usage, {"--batch 1e3", "whole number"}},
        BadLine{"--batch 99999999999999999999", ExitCode::usage, {"--batch", "from 1 to 1000000"}},
        BadLine{"--batch-per-rank 900000 --mode data-parallel", ExitCode::usage, {"1800000", "1000000"}},
        BadLine{"--batch-per-rank 8 --batch 8", ExitCode::usage, {"--batch and --batch-per-rank"}},
        BadLine{"--epochs 0", ExitCode::usage, {"--epochs 0", "from 1"}},
        BadLine{"--epochs 1.5", ExitCode::usage, {"--epochs 1.5", "whole number"}},
        BadLine{"--steps 0", ExitCode::usage, {"--steps 0", "from 1"}},
        BadLine{"--eval-every -1", ExitCode::usage, {"--eval-every -1", "from 0"}},
        BadLine{"--limit-train 0", ExitCode::usage, {"--limit-train 0", "from 1"}},
        BadLine{"--lr nan", ExitCode::usage, {"--lr nan", "above 0", "--lr 0.01"}},
        BadLine{"--lr inf", ExitCode::usage, {"--lr inf"}},
        BadLine{"--lr -0.1", ExitCode::usage, {"--lr -0.1", "above 0"}},
        BadLine{"--lr 0", ExitCode::usage, {"--lr 0", "above 0"}},
        BadLine{"--lr 1e400", ExitCode::usage, {"--lr 1e400"}},
        BadLine{"--lr 0.1x", ExitCode::usage, {"--lr 0.1x"}},
        BadLine{"--momentum 1", ExitCode::usage, {"--momentum 1", "below 1"}},
        BadLine{"--momentum -0.1", ExitCode::usage, {"--momentum -0.1", "from 0"}},
        BadLine{"--momentum nan", ExitCode::usage, {"--momentum nan"}},
        BadLine{"--weight-decay -1", ExitCode::usage, {"--weight-decay -1", "from 0"}},
        BadLine{"--nesterov --momentum 0", ExitCode::usage, {"--nesterov", "--momentum is 0"}},
        BadLine{"--optimizer adam --momentum 0.9", ExitCode::usage, {"--momentum", "adam"}},
        BadLine{"--optimizer adamw", ExitCode::usage, {"sgd or adam", "Did you mean --optimizer adam?"}},
        BadLine{"--lr-schedule poly", ExitCode::usage, {"constant, step or cosine"}},
        BadLine{"--lr-schedule step:gamma=2", ExitCode::usage, {"gamma", "2"}},
        BadLine{"--lr-schedule step:epochs=0", ExitCode::usage, {"epochs", "from 1"}},
        BadLine{"--lr-schedule cosine:gamma=1", ExitCode::usage, {"cosine has no parameter gamma", "warmup"}},
        BadLine{"--lr-schedule step:gamma", ExitCode::usage, {"key=value"}},
        BadLine{"--lr-schedule step:gamma=.1,gamma=.2", ExitCode::usage, {"gamma is given twice"}},
        BadLine{"--seed -1", ExitCode::usage, {"--seed -1", "18446744073709551615"}},
        BadLine{"--seed 18446744073709551616", ExitCode::usage, {"--seed"}},
        BadLine{"--deadline 0", ExitCode::usage, {"--deadline 0", "100 ms to 7 days"}},
        BadLine{"--deadline nan", ExitCode::usage, {"--deadline nan"}},
        BadLine{"--deadline 1h", ExitCode::usage, {"--deadline 1h"}},
        BadLine{"--threads 0", ExitCode::usage, {"--threads 0", "from 1"}},
        BadLine{"--model lenet5", ExitCode::usage, {"--model lenet5", "Did you mean --model lenet?"}},
        BadLine{"--dataset fashion_mnist", ExitCode::usage, {"Did you mean --dataset fashion-mnist?"}},
        BadLine{"--dataset imagenet", ExitCode::usage, {"fashion-mnist, mnist or synthetic"}},
        BadLine{"--sampler blanced", ExitCode::usage, {"Did you mean --sampler balanced?"}},
        BadLine{"--sampler dirichlet:alpha=0", ExitCode::usage, {"alpha is 0", "above 0"}},
        BadLine{"--sampler dirichlet:beta=1", ExitCode::usage, {"no parameter beta", "alpha, min"}},
        BadLine{"--sampler shards --partitions 0", ExitCode::usage, {"--partitions 0"}},
        BadLine{"--sampler balanced:x=1", ExitCode::usage, {"--sampler balanced:x=1", "no parameters"}},
        BadLine{"--precision half", ExitCode::usage, {"fp32 or fp64"}},
        BadLine{"--resume", ExitCode::usage, {"--resume", "--run-dir DIR"}},
        BadLine{"--checkpoint-every 10", ExitCode::usage, {"--checkpoint-every", "--run-dir DIR"}},
        BadLine{"--resume --run-dir r --init-from f", ExitCode::usage, {"--resume and --init-from"}}));

INSTANTIATE_TEST_SUITE_P(
    Devices, BadInput,
    testing::Values(BadLine{"--mode model-parallel --gpus 0,1",
                            ExitCode::unavailable,
                            {"--gpus 0,1", "no CUDA backend", "no NVIDIA driver",
                             "\n  dml_engine --mode model-parallel --device cpu --ranks 2"}},
                    BadLine{"--gpus 0,1,2 --epochs 1",
                            ExitCode::unavailable,
                            {"\n  dml_engine --epochs 1 --mode data-parallel --device cpu --ranks 3"}},
                    BadLine{"--gpus=0", ExitCode::unavailable, {"\n  dml_engine --device cpu"}},
                    BadLine{"--device cuda --epochs 1",
                            ExitCode::unavailable,
                            {"--device cuda", "\n  dml_engine --epochs 1 --device cpu"}},
                    BadLine{"--device emulator --precision fp64",
                            ExitCode::usage,
                            {"--precision fp64", "--device is emulator", "--device cpu"}},
                    BadLine{"--device emulator --gpus 0", ExitCode::usage, {"contradict"}},
                    BadLine{
                        "--precision bf16", ExitCode::unavailable, {"--precision bf16", "--precision fp32"}},
                    BadLine{"--device gpu", ExitCode::usage, {"Did you mean --device cuda?"}},
                    BadLine{"--device tpu", ExitCode::usage, {"auto, cpu, cuda or emulator"}},
                    BadLine{"--gpus all", ExitCode::usage, {"--gpus all", "--gpus 0,1"}},
                    BadLine{"--gpus 0 --device cpu", ExitCode::usage, {"contradict"}},
                    BadLine{"--gpus 0,1 --ranks 3", ExitCode::usage, {"2 devices", "3"}},
                    BadLine{"--communicator nccl", ExitCode::usage, {"--device is cpu", "Leave"}},
                    BadLine{"--communicator staged", ExitCode::usage, {"--device is cpu", "Leave"}},
                    BadLine{"--communicator nccl --device emulator",
                            ExitCode::usage,
                            {"--communicator nccl", "--device is emulator"}},
                    BadLine{"--communicator ncc", ExitCode::usage, {"Did you mean --communicator nccl?"}},
                    BadLine{"--cuda-graph no", ExitCode::usage, {"on or off"}},
                    BadLine{"--kernels cudnn", ExitCode::usage, {"auto, custom or library"}}));

/// A machine with `count` H100, and two older GPUs behind them; a build for H100 and newer.
Environment machine_with_gpus(int count, bool has_cuda) {
  Environment machine = plain_machine();
  if (has_cuda) machine.least_compute = {9, 0};
  machine.find_gpus = [count] {
    std::vector<NvidiaDevice> devices(static_cast<std::size_t>(count),
                                      {.name = "H100", .memory_bytes = 0, .compute = {9, 0}});
    devices.push_back({.name = "P100", .memory_bytes = 0, .compute = {6, 0}});
    devices.push_back({.name = "A100", .memory_bytes = 0, .compute = {8, 0}});
    return NvidiaInventory{"", "13.0", devices};
  };
  return machine;
}

TEST(Parse, FoundDevicesAreNamedWhenTheBuildCannotUseThem) {
  const Refusal result = refusal(split("--gpus 0,1"), machine_with_gpus(2, false));
  EXPECT_EQ(result.code, ExitCode::unavailable);
  EXPECT_NE(result.message.find("no CUDA backend"), std::string::npos) << result.message;
  EXPECT_NE(result.message.find("4 NVIDIA devices: H100, H100, P100, A100"), std::string::npos)
      << result.message;
}

TEST(Parse, GpusAreRanks) {
  const Environment machine = machine_with_gpus(2, true);
  EXPECT_EQ(parse("--epochs 1", machine).config.device, Device::cuda) << "auto is the GPU where there is one";
  EXPECT_EQ(parse("--device cpu", machine).config.device, Device::cpu);
  EXPECT_EQ(parse("--device emulator", machine).config.device, Device::emulator);
  EXPECT_EQ(parse("--epochs 1", machine_with_gpus(2, false)).config.device, Device::cpu);
  EXPECT_EQ(parse("--epochs 1").config.device, Device::cpu);

  const RunConfig staged =
      parse("--mode data-parallel --gpus 0,1 --communicator staged --cuda-graph off --kernels custom",
            machine)
          .config;
  EXPECT_EQ(staged.transport, DeviceTransport::staged);
  EXPECT_FALSE(staged.cuda_graphs);
  EXPECT_EQ(staged.kernels, KernelChoice::custom);
  EXPECT_EQ(parse("--mode data-parallel --gpus 0,1 --communicator nccl", machine).config.transport,
            DeviceTransport::nccl);
  const RunConfig defaults = parse("--mode data-parallel --gpus 0,1", machine).config;
  EXPECT_EQ(defaults.transport, DeviceTransport::automatic);
  EXPECT_TRUE(defaults.cuda_graphs);
  EXPECT_EQ(defaults.kernels, KernelChoice::automatic);

  const Invocation shared = parse("--mode model-parallel --gpus 0,0", machine);
  EXPECT_EQ(shared.config.device, Device::cuda);
  EXPECT_EQ(shared.config.gpus, (std::vector<int>{0, 0}));
  EXPECT_EQ(shared.config.parallel.ranks, 2);
  EXPECT_EQ(parse("--mode data-parallel --gpus 1,0,1", machine).config.parallel.ranks, 3);
  EXPECT_EQ(parse("--mode data-parallel --ranks 2", machine).config.parallel.ranks, 2);
}

struct GpuRefusal {
  std::string line;
  ExitCode code;
  std::vector<std::string> fragments;
};

TEST(Parse, ImpossibleGpusAreRefused) {
  const std::vector<GpuRefusal> cases = {
      {"--gpus 5", ExitCode::unavailable, {"there is no GPU 5", "4 NVIDIA devices", "--device cpu"}},
      {"--gpus 2",
       ExitCode::unavailable,
       {"GPU 2 (P100) has compute capability 6.0, and the kernels need at least 8.0. The same job"}},
      {"--gpus 3",
       ExitCode::unavailable,
       {"GPU 3 (A100) has compute capability 8.0, and this build has kernels for 9.0 and newer",
        "-D DML_CUDA_ARCHITECTURES=80"}},
      {"--gpus 0,1", ExitCode::usage, {"--gpus 0,1 needs --mode", "--mode data-parallel"}},
      {"--mode single --gpus 0,1", ExitCode::usage, {"--gpus 0,1", "--mode data-parallel"}},
      {"--mode model-parallel --gpus 0,1,0", ExitCode::usage, {"--gpus 0,1,0", "2 stages"}},
      {"--mode data-parallel --ranks 5", ExitCode::unavailable, {"5 ranks", "--gpus 0,1,2,3,0"}},
      {"--precision fp64", ExitCode::usage, {"--precision fp64", "--device is cuda"}},
  };
  for (const GpuRefusal& expected : cases) {
    const Refusal result = refusal(split(expected.line), machine_with_gpus(2, true));
    EXPECT_EQ(result.code, expected.code) << expected.line;
    for (const std::string& fragment : expected.fragments) {
      EXPECT_NE(result.message.find(fragment), std::string::npos) << expected.line << ": " << result.message;
    }
  }
}

TEST(Parse, SuggestedLinesQuoteWhatAShellWouldChange) {
  const Refusal result = refusal({"--run-dir", "my run's", "--device", "cuda"});
  EXPECT_NE(result.message.find("--run-dir 'my run'\\''s' --device cpu"), std::string::npos)
      << result.message;
}

TEST(Parse, LongAndBinaryWordsAreRefusedShortly) {
  for (const Words& words : {Words{std::string(100'000, 'x')}, Words{"--" + std::string(100'000, 'y')},
                             Words{"--lr", std::string(100'000, '9')}, Words{"--model", "a\nb\x01\x7f"}}) {
    const Refusal result = refusal(words);
    EXPECT_EQ(result.code, ExitCode::usage);
    EXPECT_LT(result.message.size(), 1000U);
    EXPECT_TRUE(std::none_of(result.message.begin(), result.message.end(),
                             [](char letter) { return letter == '\x01' || letter == '\x7f'; }));
  }
}

TEST(Parse, WordsThatAreNotUtf8AreRefused) {
  for (const char* word : {"w\xf3", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80"}) {
    const Refusal result = refusal({"--save-to", word});
    EXPECT_EQ(result.code, ExitCode::usage);
    EXPECT_NE(result.message.find("not UTF-8"), std::string::npos) << result.message;
  }
  EXPECT_EQ(parse("--save-to gr\u00f6\u00dfe-\u20ac-\U0001f600").config.save_to,
            "gr\u00f6\u00dfe-\u20ac-\U0001f600");
}

TEST(Parse, LocalStepsSharesAndSlowness) {
  const RunConfig config = parse(
                               "--mode data-parallel --ranks 3 --local-steps 50 --share speed "
                               "--slow rank=2,phase=communicate,ms=20,jitter=0.5")
                               .config;
  EXPECT_EQ(config.parallel.local_steps, 50);
  EXPECT_EQ(config.parallel.share, Share::speed);
  ASSERT_TRUE(config.slow);
  EXPECT_EQ(config.slow->rank, 2);
  EXPECT_EQ(config.slow->phase, StepPhase::communicate);
  EXPECT_EQ(config.slow->ms, 20);
  EXPECT_EQ(config.slow->factor, 1);
  EXPECT_EQ(config.slow->jitter_ms, 0.5);
  EXPECT_EQ(to_string(*config.slow), "rank=2,phase=communicate,ms=20,jitter=0.5");
  EXPECT_EQ(parse("--slow rank=0,phase=backward,factor=1.2").config.slow->factor, 1.2);
  const RunConfig usual = parse("--mode data-parallel").config;
  EXPECT_EQ(usual.parallel.local_steps, 0);
  EXPECT_EQ(usual.parallel.share, Share::equal);
  EXPECT_FALSE(usual.slow);
}

INSTANTIATE_TEST_SUITE_P(
    Stragglers, BadInput,
    testing::Values(
        BadLine{"--slow rank=1,phase=forward,ms=5", ExitCode::usage, {"--slow rank", "1"}},
        BadLine{"--mode data-parallel --slow phase=forward,ms=5", ExitCode::usage, {"which rank is missing"}},
        BadLine{"--mode data-parallel --slow rank=1,ms=5", ExitCode::usage, {"the phase is missing"}},
        BadLine{"--mode data-parallel --slow rank=1,phase=forwards,ms=5",
                ExitCode::usage,
                {"forwards", "forward"}},
        BadLine{"--mode data-parallel --slow rank=1,phase=forward", ExitCode::usage, {"how slow is missing"}},
        BadLine{
            "--mode data-parallel --slow rank=1,phase=forward,ms=5,factor=2", ExitCode::usage, {"two ways"}},
        BadLine{
            "--mode data-parallel --slow rank=1,phase=communicate,factor=2", ExitCode::usage, {"no factor"}},
        BadLine{"--mode data-parallel --slow rank=1,phase=forward,factor=0.5",
                ExitCode::usage,
                {"--slow factor"}},
        BadLine{"--mode data-parallel --slow rank=1,phase=forward,ms=-1", ExitCode::usage, {"--slow ms"}},
        BadLine{"--mode data-parallel --slow rank=1,phase=forward,ms=nan", ExitCode::usage, {"--slow ms"}},
        BadLine{"--mode data-parallel --slow fast", ExitCode::usage, {"--slow fast", "key=value"}},
        BadLine{
            "--mode data-parallel --slow rank=1,rank=0,phase=forward,ms=1", ExitCode::usage, {"given twice"}},
        BadLine{"--mode data-parallel --slow rank=1,speed=3", ExitCode::usage, {"speed"}},
        BadLine{"--local-steps 5", ExitCode::usage, {"--local-steps 5", "--mode data-parallel"}},
        BadLine{"--mode data-parallel --local-steps 0", ExitCode::usage, {"--local-steps 0"}},
        BadLine{"--mode model-parallel --share speed", ExitCode::usage, {"--share speed", "data-parallel"}},
        BadLine{"--mode data-parallel --share fair", ExitCode::usage, {"--share fair", "equal or speed"}},
        BadLine{"--mode data-parallel --share speed --sampler random",
                ExitCode::usage,
                {"--share speed", "--sampler random", "balanced"}}));

TEST(Flags, EveryFlagBelongsToACommandAndIsExplained) {
  for (const FlagSpec& flag : flag_specs()) {
    EXPECT_NE(flag.commands, 0U) << flag.name;
    EXPECT_FALSE(flag.help.empty()) << flag.name;
  }
}

}  // namespace
}  // namespace dml
