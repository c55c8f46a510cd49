// Modes are sound action lists, and the checker notices when they are not.
#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "engine/model/zoo.h"
#include "engine/parallel/buckets.h"
#include "engine/parallel/check.h"
#include "engine/parallel/modes.h"
#include "engine/parallel/topology.h"
#include "kernels/base/error.h"
#include "tests/engine/splits.h"

namespace dml {
namespace {

using testing::model_parallel;

ParallelOptions replicas(int ranks, int accumulate) {
  return testing::data_parallel(ranks, Aggregate::allreduce, accumulate);
}

/// The programs of all ranks for a step with `samples` samples per replica.
std::vector<Program> programs_of(const ParallelOptions& options, const Topology& topology,
                                 const std::vector<std::int64_t>& samples, int buckets) {
  std::vector<Program> programs;
  for (int rank = 0; rank < topology.ranks(); ++rank) {
    const auto replica = static_cast<std::size_t>(topology.replica_of(rank));
    const std::vector<std::int64_t> sizes = slice_sizes(samples[replica], slices_per_step(options));
    programs.push_back(training_step(options, topology, rank, {sizes, buckets}));
  }
  return programs;
}

std::string message_of(const std::vector<Program>& programs, const Topology& topology) {
  try {
    check_programs(programs, topology, true);
  } catch (const InternalError& error) {
    return error.what();
  }
  return "";
}

TEST(Slices, AreAsEqualAsPossible) {
  EXPECT_EQ(slice_sizes(10, 4), (std::vector<std::int64_t>{3, 3, 2, 2}));
  EXPECT_EQ(slice_sizes(2, 4), (std::vector<std::int64_t>{1, 1, 0, 0}));
  EXPECT_EQ(slice_sizes(0, 2), (std::vector<std::int64_t>{0, 0}));
}

TEST(Modes, EveryScheduleIsSoundForEveryNumberOfSamples) {
  const ModelSpec model = model_by_name("cnn8");
  for (const std::vector<int>& split : std::vector<std::vector<int>>{{3}, {2, 5}, {1, 2, 3, 4, 5, 6, 7}}) {
    for (const Schedule schedule : {Schedule::sequential, Schedule::gpipe}) {
      for (const int micro_batches : {1, 2, 4, 7}) {
        const ParallelOptions options = model_parallel(split, schedule, micro_batches);
        const Topology topology = make_topology(options, model);
        for (const std::int64_t samples : {0, 1, 3, 7, 32}) {
          SCOPED_TRACE(to_string(schedule) + " " + std::to_string(micro_batches) + " " +
                       std::to_string(samples));
          const auto needs = check_programs(programs_of(options, topology, {samples}, 1), topology, true);
          const int alive = static_cast<int>(std::min<std::int64_t>(samples, micro_batches));
          const int expected = schedule == Schedule::gpipe ? alive : std::min(alive, 1);
          for (const ProgramNeeds& rank : needs) EXPECT_EQ(rank.slots, expected);
        }
      }
    }
  }
}

TEST(Modes, ReplicasWithAndWithoutSamplesReduceTheSameBuckets) {
  const ModelSpec model = model_by_name("lenet");
  for (const int accumulate : {1, 3}) {
    const ParallelOptions options = replicas(3, accumulate);
    const Topology topology = make_topology(options, model);
    EXPECT_EQ(message_of(programs_of(options, topology, {11, 0, 2}, 4), topology), "");
  }
}

TEST(Modes, SequentialPipelineIsTheTimelineOfItsHeader) {
  const ParallelOptions options = model_parallel({2}, Schedule::sequential, 2);
  const Topology topology = make_topology(options, model_by_name("lenet"));
  const std::vector<Program> programs = programs_of(options, topology, {8}, 1);
  std::vector<std::string> first, second;
  for (const Action& action : programs[0]) first.push_back(to_string(action));
  for (const Action& action : programs[1]) second.push_back(to_string(action));
  EXPECT_EQ(first, (std::vector<std::string>{"forward(0)", "send_activation(0)->1", "receive_gradient(0)<-1",
                                             "backward(0)", "forward(1)", "send_activation(1)->1",
                                             "receive_gradient(1)<-1", "backward_accumulate(1)", "update"}));
  EXPECT_EQ(second, (std::vector<std::string>{"receive_activation(0)<-0", "forward(0)", "backward(0)",
                                              "send_gradient(0)->0", "receive_activation(1)<-0", "forward(1)",
                                              "backward_accumulate(1)", "send_gradient(1)->0", "update"}));
}

TEST(Modes, InferenceIsSound) {
  const ParallelOptions options = model_parallel({1, 2, 3}, Schedule::gpipe, 4);
  const Topology topology = make_topology(options, model_by_name("lenet"));
  std::vector<Program> programs;
  for (int rank = 0; rank < topology.ranks(); ++rank) programs.push_back(inference_step(topology, rank));
  EXPECT_EQ(check_programs(programs, topology, /*training=*/false).size(), 4U);
}

/// Every way of leaving out or doubling one action of a gpipe step must be noticed.
TEST(Check, NoticesEveryDroppedAndEveryDoubledAction) {
  const ParallelOptions options = model_parallel({1, 3}, Schedule::gpipe, 3);
  const Topology topology = make_topology(options, model_by_name("lenet"));
  const std::vector<Program> sound = programs_of(options, topology, {9}, 1);
  ASSERT_EQ(message_of(sound, topology), "");
  for (std::size_t rank = 0; rank < sound.size(); ++rank) {
    for (std::size_t i = 0; i < sound[rank].size(); ++i) {
      SCOPED_TRACE("rank " + std::to_string(rank) + ", " + to_string(sound[rank][i]));
      std::vector<Program> dropped = sound, doubled = sound;
      const auto at = static_cast<std::ptrdiff_t>(i);
      dropped[rank].erase(dropped[rank].begin() + at);
      doubled[rank].insert(doubled[rank].begin() + at, sound[rank][i]);
      EXPECT_NE(message_of(dropped, topology), "");
      EXPECT_NE(message_of(doubled, topology), "");
    }
  }
}

/// Programs of replicas that train alone, in a step at whose end they average.
std::vector<Program> averaging_programs(const Topology& topology, const std::vector<std::int64_t>& samples) {
  ParallelOptions options = replicas(topology.replicas, 2);
  options.local_steps = 4;
  std::vector<Program> programs;
  for (int rank = 0; rank < topology.ranks(); ++rank) {
    const std::vector<std::int64_t> sizes = slice_sizes(samples[static_cast<std::size_t>(rank)], 2);
    programs.push_back(training_step(options, topology, rank,
                                     {.micro_batch_samples = sizes, .buckets = 2, .average = true}));
  }
  return programs;
}

TEST(Modes, LocalStepsUpdateAloneAndAverageTogether) {
  const Topology topology = make_topology(replicas(3, 1), model_by_name("lenet"));
  std::vector<Program> programs = averaging_programs(topology, {4, 1, 0});
  EXPECT_EQ(message_of(programs, topology), "");
  const auto count = [&](std::size_t rank, Verb verb) {
    return std::count_if(programs[rank].begin(), programs[rank].end(),
                         [&](const Action& action) { return action.verb == verb; });
  };
  for (std::size_t rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(count(rank, Verb::average_parameters), 2);
    EXPECT_EQ(count(rank, Verb::reduce_gradients), 0);
    EXPECT_EQ(count(rank, Verb::update), rank == 2 ? 0 : 1) << "who has no samples does not move";
  }
}

TEST(Check, NoticesAveragesThatDoNotFit) {
  const Topology topology = make_topology(replicas(2, 1), model_by_name("lenet"));
  const std::vector<Program> sound = averaging_programs(topology, {2, 2});
  std::vector<Program> programs = sound;
  std::swap(programs[0][programs[0].size() - 1], programs[0][programs[0].size() - 2]);
  EXPECT_NE(message_of(programs, topology).find("other buckets"), std::string::npos);
  programs = sound;
  programs[1].pop_back();
  EXPECT_NE(message_of(programs, topology).find("deadlock"), std::string::npos);
  programs = sound;
  std::swap(programs[0][4], programs[0][5]);  // the update and the first average
  EXPECT_NE(message_of(programs, topology).find("have not been used"), std::string::npos);
}

TEST(Check, NamesADeadlock) {
  const ParallelOptions options = model_parallel({2}, Schedule::gpipe, 2);
  const Topology topology = make_topology(options, model_by_name("lenet"));
  std::vector<Program> programs = programs_of(options, topology, {8}, 1);
  // rank 1 sends its first gradient before it has received the second activation, which rank 0 sends first
  const auto is = [](Verb verb, int m) {
    return [verb, m](const Action& a) { return a.verb == verb && a.micro_batch == m; };
  };
  Program& last = programs[1];
  const auto receive = std::find_if(last.begin(), last.end(), is(Verb::receive_activation, 1));
  const auto send = std::find_if(last.begin(), last.end(), is(Verb::send_gradient, 0));
  std::rotate(receive, receive + 2, send + 1);
  EXPECT_NE(message_of(programs, topology).find("deadlock"), std::string::npos)
      << message_of(programs, topology);
}

TEST(Check, NoticesMixedUpMessagesSlotsAndBuckets) {
  const ParallelOptions options = model_parallel({2}, Schedule::gpipe, 2);
  const Topology topology = make_topology(options, model_by_name("lenet"));
  const std::vector<Program> sound = programs_of(options, topology, {8}, 1);

  std::vector<Program> swapped = sound;  // rank 0 computes and sends micro-batch 1 first
  for (Action& action : swapped[0]) {
    if (action.verb == Verb::forward || action.verb == Verb::send_activation) action.micro_batch ^= 1;
  }
  EXPECT_NE(message_of(swapped, topology), "");

  std::vector<Program> one_slot = sound;  // both micro-batches in one set of buffers
  for (Action& action : one_slot[0]) action.slot = 0;
  EXPECT_NE(message_of(one_slot, topology).find("slot 0"), std::string::npos);

  const ParallelOptions data = replicas(2, 1);
  const Topology both = make_topology(data, model_by_name("lenet"));
  std::vector<Program> reordered = programs_of(data, both, {4, 4}, 2);
  for (Action& action : reordered[1]) {
    if (action.verb == Verb::reduce_gradients) action.bucket ^= 1;
  }
  EXPECT_NE(message_of(reordered, both).find("bucket"), std::string::npos);
}

TEST(Topology, CutsAndWork) {
  const ModelSpec lenet = model_by_name("lenet");
  ParallelOptions conv_fc = model_parallel({2}, Schedule::sequential, 1);
  conv_fc.split.clear();
  const Topology halves = make_topology(conv_fc, lenet);
  EXPECT_EQ(halves.stages[0].last_layer, 2);
  EXPECT_NEAR(stage_work(halves, lenet)[0], 0.87, 0.005);
  EXPECT_NEAR(speedup_ceiling(halves, lenet), 1.15, 0.01);
  for (const std::vector<int>& split : std::vector<std::vector<int>>{{0}, {4}, {2, 2}, {3, 1}, {-1}}) {
    EXPECT_THROW(make_topology(model_parallel(split, Schedule::sequential, 1), lenet), UsageError);
  }
  ParallelOptions too_many = model_parallel({2}, Schedule::sequential, 1);
  too_many.ranks = 3;
  EXPECT_THROW(make_topology(too_many, lenet), UsageError);
  ParallelOptions lonely;
  lonely.ranks = 2;
  EXPECT_THROW(make_topology(lonely, lenet), UsageError);
}

TEST(Buckets, CoverTheRangeFromItsEnd) {
  for (const std::int64_t bytes : {1, 4, 100, 1000, 1 << 20}) {
    const auto buckets = make_buckets({.first = 7, .count = 123}, 4, bytes);
    std::int64_t end = 130;
    for (const ParameterRange& bucket : buckets) {
      EXPECT_EQ(bucket.first + bucket.count, end);
      EXPECT_LE(bucket.count, std::max<std::int64_t>(1, bytes / 4));
      EXPECT_GE(bucket.count, 1);
      end = bucket.first;
    }
    EXPECT_EQ(end, 7);
  }
  EXPECT_TRUE(make_buckets({.first = 5, .count = 0}, 4, 64).empty());
}

}  // namespace
}  // namespace dml
