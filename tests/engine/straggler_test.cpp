// Who is slow, on made-up times; what is kept of a run's times; and that injected delays happen.
#include "engine/train/straggler.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "engine/train/slowness.h"
#include "engine/train/timeline.h"

namespace dml {
namespace {

constexpr double kForwardMs = 0.30, kBackwardMs = 0.45, kUpdateMs = 0.02, kStepMs = 1.0;

/// A rank whose phases vary by `noise` (standard deviation over mean) from block to block.
RankPhases rank_with(double noise, std::uint64_t seed, int stage = 0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> deviation(1, noise);
  RankPhases rank{.stage = stage, .blocks = {}, .step_ms = kStepMs};
  for (std::size_t block = 0; block < kStragglerBlocks; ++block) {
    rank.blocks.push_back(
        {kForwardMs * deviation(random), kBackwardMs * deviation(random), kUpdateMs * deviation(random), 0});
  }
  return rank;
}

std::vector<RankPhases> ranks_with(double noise, int count) {
  std::vector<RankPhases> ranks;
  for (int r = 0; r < count; ++r)
    ranks.push_back(rank_with(noise, static_cast<std::uint64_t>(100 * count + r)));
  return ranks;
}

TEST(Straggler, NobodyIsAccusedWhenRanksDifferByNoise) {
  for (int count = 2; count <= 8; ++count) {
    EXPECT_FALSE(find_straggler(ranks_with(0.04, count))) << count << " ranks";
  }
}

TEST(Straggler, NamesRankAndPhaseWhateverTheyAre) {
  for (const int count : {2, 3, 5}) {
    for (int rank = 0; rank < count; ++rank) {
      for (const StepPhase phase : {StepPhase::forward, StepPhase::backward, StepPhase::communicate}) {
        std::vector<RankPhases> ranks = ranks_with(0.04, count);
        for (PhaseTimes& block : ranks[static_cast<std::size_t>(rank)].blocks) {
          block[static_cast<std::size_t>(phase)] += 0.1 * kStepMs;
        }
        const std::optional<Straggler> found = find_straggler(ranks);
        ASSERT_TRUE(found) << "rank " << rank << ", " << to_string(phase);
        EXPECT_EQ(found->rank, rank);
        EXPECT_EQ(found->phase, phase);
        EXPECT_NEAR(found->share_of_step, 0.1, 0.03);  // the noise of a median of 16 blocks
      }
    }
  }
}

TEST(Straggler, ADisturbanceOfSomeBlocksIsNone) {
  std::vector<RankPhases> ranks = ranks_with(0.04, 2);
  for (std::size_t block = 0; block < 7; ++block) ranks[1].blocks[block][0] += kStepMs;
  EXPECT_FALSE(find_straggler(ranks));
}

TEST(Straggler, AFewPercentAreNone) {
  std::vector<RankPhases> ranks = ranks_with(0.01, 2);
  for (PhaseTimes& block : ranks[0].blocks) block[1] *= 1.05;
  EXPECT_FALSE(find_straggler(ranks));
}

TEST(Straggler, StagesAreNotComparedWithEachOther) {
  std::vector<RankPhases> ranks = {rank_with(0.02, 1, 0), rank_with(0.02, 2, 1)};
  for (PhaseTimes& block : ranks[0].blocks) block[0] *= 10;
  EXPECT_FALSE(find_straggler(ranks));
}

TEST(Straggler, NothingIsFoundInNothing) {
  EXPECT_FALSE(find_straggler(std::vector<RankPhases>{}));
  EXPECT_FALSE(find_straggler(std::vector<RankPhases>(3)));
  EXPECT_FALSE(find_straggler(std::vector<RankPhases>{rank_with(0.02, 1)}));
}

TEST(StepTimes, KeepAnEvenSampleOfALongRun) {
  StepTimes times;
  constexpr int kSteps = 100'000;
  for (int step = 0; step < kSteps; ++step) {
    times.begin_step(1);
    times.add(StepPhase::forward, step * 1'000'000LL);  // so that a step's time is its number
  }
  times.begin_step(1);
  const std::vector<PhaseTimes> blocks = times.block_medians(10);
  ASSERT_EQ(blocks.size(), 10U);
  // 100,000 steps are more than 2^4 times what is kept, so every 32nd is: a step off is at most 0.1 %.
  for (std::size_t block = 0; block < 10; ++block) {
    EXPECT_NEAR(blocks[block][0], (static_cast<double>(block) + 0.5) * kSteps / 10, 0.002 * kSteps);
  }
  EXPECT_NEAR(times.medians()[0], kSteps / 2.0, 0.002 * kSteps);
}

TEST(StepTimes, AreTakenAsForAnEqualShare) {
  StepTimes times;
  for (int step = 0; step < 9; ++step) {
    times.begin_step(step == 4 ? 0 : 0.5);
    times.add(StepPhase::forward, 1'000'000);
    times.add(StepPhase::communicate, 1'000'000);
  }
  times.begin_step(1);
  EXPECT_EQ(times.medians()[static_cast<std::size_t>(StepPhase::forward)], 2);
  EXPECT_EQ(times.medians()[static_cast<std::size_t>(StepPhase::communicate)], 1);
}

TEST(StepTimes, TooFewStepsMakeNoBlock) {
  StepTimes times;
  times.begin_step(1);
  times.begin_step(1);
  EXPECT_TRUE(times.block_medians(16).empty());
}

double milliseconds_of(Slowness& slowness, StepPhase phase, std::int64_t phase_ns) {
  const std::int64_t start = monotonic_ns();
  slowness.after(phase, phase_ns);
  return static_cast<double>(monotonic_ns() - start) * 1e-6;
}

TEST(Slowness, DelaysItsRankInItsPhaseAlone) {
  const SlowOptions options{.rank = 1, .phase = StepPhase::backward, .ms = 4};
  Slowness slow(&options, 1), other(&options, 0), none(nullptr, 1);
  EXPECT_GE(milliseconds_of(slow, StepPhase::backward, 0), 4);
  constexpr double kAtOnceMs = 2;  // a call that waits for nothing, on a busy machine
  EXPECT_LT(milliseconds_of(slow, StepPhase::forward, 0), kAtOnceMs);
  EXPECT_LT(milliseconds_of(other, StepPhase::backward, 0), kAtOnceMs);
  EXPECT_LT(milliseconds_of(none, StepPhase::backward, 0), kAtOnceMs);
}

TEST(Slowness, AFactorStretchesWhatThePhaseTook) {
  const SlowOptions options{.rank = 0, .phase = StepPhase::forward, .factor = 1.5};
  Slowness slow(&options, 0);
  EXPECT_GE(milliseconds_of(slow, StepPhase::forward, 8'000'000), 4);
}

TEST(Slowness, JitterStaysBelowItsBoundAndVaries) {
  const SlowOptions options{.rank = 0, .phase = StepPhase::communicate, .jitter_ms = 3};
  Slowness slow(&options, 0);
  double least = 3, most = 0;
  for (int delay = 0; delay < 30; ++delay) {
    const double ms = milliseconds_of(slow, StepPhase::communicate, 0);
    least = std::min(least, ms);
    most = std::max(most, ms);
  }
  EXPECT_LT(least, 1);
  EXPECT_GT(most, 2);
}

}  // namespace
}  // namespace dml
