// Several ranks whose steps run without the host in between, messages among them: our kernels by the
// emulator, NcclCommunicator over the library that stands in for NCCL, steps in graphs that hold both. The
// same bits as step by step, the same words when a loss is not finite, and times that add up.
#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

#include "engine/comm/nccl_communicator.h"
#include "engine/train/trainer.h"
#include "tests/comm/fake_nccl.h"
#include "tests/engine/emulated_link.h"
#include "tests/engine/splits.h"
#include "tests/engine/world.h"

namespace dml {
namespace {

using testing::data_parallel;
using testing::EmulatedLink;
using testing::model_parallel;
using testing::run_world;
using testing::small_data;
using testing::Split;

DeviceCommunicator stands_in_for_nccl(int /*rank*/, Communicator& host, Backend& backend) {
  DeviceCommunicator peers;
  if (host.size() == 1) return peers;
  static const std::shared_ptr<const NcclLibrary> library = load_nccl(DML_TEST_FAKE_NCCL);  // for all ranks
  peers.link = std::make_unique<EmulatedLink>();
  peers.communicator = make_nccl_communicator(library, host, backend, *peers.link,
                                              {.deadline = std::chrono::milliseconds(60000)});
  return peers;
}

struct Way {
  Split split;
  int communications = 0;  ///< of rank 0 in a step
  int exchanges = 0;       ///< of all ranks in a step: a send and the receive behind it
};

void PrintTo(const Way& way, std::ostream* out) {
  *out << way.split.name;
}

ParallelOptions alone(int accumulate) {
  ParallelOptions options;
  options.accumulate = accumulate;
  return options;
}

RunConfig lenet(const Way& way, bool graphs) {
  RunConfig config;
  config.device = Device::emulator;
  config.cuda_graphs = graphs;
  config.parallel = way.split.options;
  config.batch = 4;
  config.seed = 3;
  config.learning_rate.lr = 0.01;
  return config;
}

/// 79 samples in batches of 4: 19 steps and a tail of 3.
const DatasetSplits& data() {
  static const DatasetSplits splits = small_data(79, 10);
  return splits;
}

struct Trained {
  std::string hash;
  std::vector<double> losses;           ///< of all ranks
  std::set<std::string> compute_names;  ///< in rank 0's trace
  std::size_t communications = 0;       ///< that rank 0 recorded
  double busy_seconds = 0;              ///< of rank 0
};

/// An epoch in one window, or step by step.
Trained train(const RunConfig& config, bool in_a_window) {
  Trained trained;
  run_world(
      config, data(),
      [&](Session& session) {
        const BatchSequence sequence = session.batches(0);
        std::vector<StepBatch> batches(static_cast<std::size_t>(sequence.steps()));
        std::vector<StepState> states;
        for (std::size_t step = 0; step < batches.size(); ++step) {
          sequence.take(static_cast<std::int64_t>(step), batches[step]);
          states.push_back({.step = static_cast<std::int64_t>(step),
                            .samples = batches[step].samples,
                            .learning_rate = 0.02 / static_cast<double>(1 + step)});
        }
        std::vector<StepOutcome> outcomes;
        if (in_a_window) {
          outcomes = session.train_steps(batches, states, [](std::int64_t) {});
        } else {
          for (std::size_t step = 0; step < batches.size(); ++step) {
            outcomes.push_back(session.train_step(batches[step], states[step]));
          }
        }
        session.finish_compute();
        std::vector<double> losses;
        for (const StepOutcome& outcome : outcomes) losses.push_back(outcome.loss_sum);
        session.communicator().all_reduce(view_of(std::span(losses)), session.stream());
        session.gather_parameters();
        if (session.rank() != 0) return;
        trained.hash = session.weights_hash();
        trained.losses = losses;
        const Timeline& timeline = session.timeline();
        trained.communications = timeline.communications().size();
        trained.busy_seconds = static_cast<double>(timeline.compute_ns()) * 1e-9;
        for (const CommunicationRecord& record : timeline.communications()) {
          EXPECT_LE(record.start_ns, record.end_ns);
          trained.busy_seconds += static_cast<double>(record.end_ns - record.start_ns) * 1e-9;
        }
        for (const TraceRecord& record : timeline.trace()) {
          if (record.category == TraceRecord::Category::compute) trained.compute_names.insert(record.name);
        }
      },
      stands_in_for_nccl);
  return trained;
}

class LoopedRanks : public ::testing::TestWithParam<Way> {};

TEST_P(LoopedRanks, GiveTheBitsOfStepByStep) {
  const Trained expected = train(lenet(GetParam(), true), false);
  ASSERT_TRUE(expected.compute_names.contains("forward"));
  for (const bool graphs : {true, false}) {
    SCOPED_TRACE(graphs ? "graphs" : "no graphs");
    const int before = test::open_fake_nccl(DML_TEST_FAKE_NCCL).exchanges;
    const Trained looped = train(lenet(GetParam(), graphs), true);
    const int first_messages = GetParam().split.options.ranks > 1 ? GetParam().split.options.ranks : 0;
    const int exchanges = test::open_fake_nccl(DML_TEST_FAKE_NCCL).exchanges - before - first_messages;
    // A graph of one step is used twice.
    EXPECT_EQ(exchanges, (graphs ? 19 : 20) * GetParam().exchanges);
    EXPECT_EQ(looped.hash, expected.hash);
    EXPECT_EQ(looped.losses, expected.losses);
    EXPECT_FALSE(looped.compute_names.contains("update")) << "step by step after all";
    EXPECT_EQ(looped.communications, 20U * static_cast<unsigned>(GetParam().communications));
    EXPECT_EQ(looped.communications, expected.communications);
    EXPECT_GT(looped.busy_seconds, 0);
  }
}

/// The rates make the first update go wrong, whatever the split.
TEST_P(LoopedRanks, NameTheStepAndTheLayerOfANaN) {
  const auto words = [&](const testing::PeersOf& peers_of) {
    RunConfig config = lenet(GetParam(), true);
    config.learning_rate.lr = 1e25;
    config.steps = 12;
    try {
      run_world(
          config, data(),
          [](Session& session) {
            TrainObserver nobody;
            Trainer(session, nobody, [] { return false; }).train();
          },
          peers_of);
    } catch (const NegativeResult& error) {
      return std::string(error.what());
    }
    return std::string("nothing was said");
  };
  const std::string staged = words({});
  EXPECT_NE(staged.find("layer"), std::string::npos) << staged;
  EXPECT_EQ(words(stands_in_for_nccl), staged);
}

INSTANTIATE_TEST_SUITE_P(
    Lenet, LoopedRanks,
    ::testing::Values(Way{{"single_accumulate_2", alone(2)}, 0},
                      Way{{"allreduce_2", data_parallel(2, Aggregate::allreduce)}, 1},
                      Way{{"allreduce_2_accumulate_2", data_parallel(2, Aggregate::allreduce, 2)}, 1},
                      Way{{"allgather_3", data_parallel(3, Aggregate::allgather)}, 1},
                      Way{{"conv_fc", model_parallel({2}, Schedule::sequential, 1)}, 2, 1},
                      Way{{"conv_fc_sequential_2", model_parallel({2}, Schedule::sequential, 2)}, 4, 3},
                      Way{{"cuts_1_3_gpipe_2", model_parallel({1, 3}, Schedule::gpipe, 2)}, 4, 4}),
    [](const ::testing::TestParamInfo<Way>& p) { return p.param.split.name; });

}  // namespace
}  // namespace dml
