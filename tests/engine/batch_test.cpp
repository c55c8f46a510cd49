// Which samples of a step a replica gets, with equal shares and with others.
#include "engine/train/batch.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

namespace dml {
namespace {

using Samples = std::vector<std::int64_t>;

SampleOrder identity(std::int64_t length) {
  return {length, [](std::int64_t position) { return position; }};
}

/// What each replica gets of a step, all slices together, and that all ranks agree on the sizes.
std::vector<Samples> dealt(std::int64_t length, std::int64_t batch, int replicas, int slices,
                           std::int64_t step, const std::vector<double>& weights) {
  std::vector<Samples> parts;
  std::vector<std::int64_t> sizes;
  for (int replica = 0; replica < replicas; ++replica) {
    BatchSequence batches(identity(length), batch, replicas, replica, slices);
    if (!weights.empty()) batches.set_shares(weights);
    StepBatch taken;
    batches.take(step, taken);
    Samples samples;
    for (const auto& slice : taken.micro_batches) samples.insert(samples.end(), slice.begin(), slice.end());
    EXPECT_EQ(taken.replica_samples[static_cast<std::size_t>(replica)],
              static_cast<std::int64_t>(samples.size()));
    if (replica == 0) sizes = taken.replica_samples;
    EXPECT_EQ(taken.replica_samples, sizes) << "ranks disagree about who has what";
    EXPECT_EQ(taken.samples, std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}));
    parts.push_back(samples);
  }
  return parts;
}

TEST(Shares, DealEveryPositionOfAStepOnce) {
  for (const int replicas : {1, 2, 3, 5}) {
    for (const std::int64_t batch : {1, 2, 7, 32}) {
      const std::int64_t length = 4 * batch + batch / 2;
      for (std::int64_t step = 0; step < (length + batch - 1) / batch; ++step) {
        for (const double skew : {1.0, 0.3, 1e-6}) {
          std::vector<double> weights;
          for (int r = 0; r < replicas; ++r) weights.push_back(std::pow(skew, r));
          Samples all;
          for (const Samples& part : dealt(length, batch, replicas, 2, step, weights)) {
            const bool enough = std::min(batch, length - step * batch) >= replicas;
            EXPECT_TRUE(!part.empty() || !enough) << "a replica was left without samples";
            all.insert(all.end(), part.begin(), part.end());
          }
          std::sort(all.begin(), all.end());
          Samples expected(static_cast<std::size_t>(std::min(batch, length - step * batch)));
          std::iota(expected.begin(), expected.end(), step * batch);
          EXPECT_EQ(all, expected) << replicas << " replicas, batch " << batch << ", step " << step;
        }
      }
    }
  }
}

TEST(Shares, AreInProportion) {
  const std::vector<Samples> parts = dealt(64, 32, 3, 1, 0, {2, 1, 1});
  EXPECT_EQ(parts[0].size(), 16U);  // one each, and 29 as 14.5, 7.25, 7.25
  EXPECT_EQ(parts[1].size(), 8U);
  EXPECT_EQ(parts[2].size(), 8U);
}

TEST(Shares, WithoutWeightsPositionsGoRound) {
  EXPECT_EQ(dealt(10, 5, 2, 1, 1, {}), (std::vector<Samples>{{6, 8}, {5, 7, 9}}));
}

TEST(Rounds, EndAfterEveryKStepsAndWithTheEpoch) {
  const BatchSequence batches(identity(10), 1, 2, 0, 1, /*local_steps=*/4);
  std::vector<std::int64_t> averaging;
  for (std::int64_t step = 0; step < batches.steps(); ++step) {
    StepBatch batch;
    batches.take(step, batch);
    if (batch.average) averaging.push_back(step);
  }
  EXPECT_EQ(averaging, (std::vector<std::int64_t>{3, 7, 9}));
}

}  // namespace
}  // namespace dml
