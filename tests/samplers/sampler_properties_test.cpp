// What `balanced` and `random` promise, over many sizes, replica counts, seeds and epochs.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "samplers/sampler.h"
#include "samplers/shuffle.h"

namespace dml::test {
namespace {

struct Case {
  std::int64_t samples;
  int replicas;
  std::uint64_t seed;
  std::int64_t epoch;
};

std::string text(const Case& c) {
  return "N " + std::to_string(c.samples) + ", W " + std::to_string(c.replicas) + ", seed " +
         std::to_string(c.seed) + ", epoch " + std::to_string(c.epoch);
}

/// Edge cases and 300 drawn ones: N in 0..600, W in 1..12.
std::vector<Case> cases() {
  std::vector<Case> result{{0, 1, 0, 0}, {0, 3, 0, 0}, {1, 1, 0, 0},     {1, 5, 1, 2},
                           {2, 5, 1, 2}, {5, 5, 0, 0}, {6, 5, ~0ULL, 1}, {4, 2, 1ULL << 40U, 3}};
  std::mt19937_64 random(20240901);
  for (int i = 0; i < 300; ++i) {
    result.push_back({static_cast<std::int64_t>(random() % 601), static_cast<int>(random() % 12) + 1,
                      random(), static_cast<std::int64_t>(random() % 1000)});
  }
  return result;
}

/// Ten classes in turn, for samplers that look at labels.
std::span<const std::uint8_t> labels_of(std::int64_t samples) {
  static const std::vector<std::uint8_t> labels = [] {
    std::vector<std::uint8_t> values(1000);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint8_t>(i % 10);
    return values;
  }();
  return std::span(labels).first(static_cast<std::size_t>(samples));
}

EpochOrder order_of(const std::string& sampler, const Case& c) {
  return make_sampler(
             sampler,
             {.samples = c.samples, .replicas = c.replicas, .seed = c.seed, .labels = labels_of(c.samples)})
      ->epoch(c.epoch);
}

/// The samples of replica r in order, for each r, by the position rule alone.
std::vector<std::vector<std::int64_t>> shares(const EpochOrder& order, int replicas) {
  std::vector<std::vector<std::int64_t>> result(static_cast<std::size_t>(replicas));
  for (std::int64_t p = 0; p < order.length(); ++p) {
    if (const auto sample = order.sample(p))
      result[static_cast<std::size_t>(p % replicas)].push_back(*sample);
  }
  return result;
}

std::vector<std::int64_t> all_positions(const EpochOrder& order) {
  return shares(order, 1).front();
}

std::int64_t share_size(const Case& c) {
  return (c.samples + c.replicas - 1) / c.replicas;
}

/// Pearson's statistic against equal expected counts, in standard deviations from its mean.
double chi_square_deviation(const std::vector<double>& counts) {
  const auto cells = static_cast<double>(counts.size());
  const double expected = std::accumulate(counts.begin(), counts.end(), 0.0) / cells;
  double statistic = 0;
  for (const double count : counts) statistic += (count - expected) * (count - expected) / expected;
  return (statistic - (cells - 1)) / std::sqrt(2 * (cells - 1));
}

TEST(Balanced, SharesPartitionTheDataSetAndDifferByAtMostOne) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(text(c));
    std::set<std::int64_t> seen;
    std::size_t smallest = SIZE_MAX;
    std::size_t largest = 0;
    std::size_t total = 0;
    for (const auto& share : shares(order_of("balanced", c), c.replicas)) {
      smallest = std::min(smallest, share.size());
      largest = std::max(largest, share.size());
      total += share.size();
      seen.insert(share.begin(), share.end());
    }
    EXPECT_LE(largest - smallest, 1U);
    EXPECT_EQ(total, static_cast<std::size_t>(c.samples)) << "nothing is padded";
    EXPECT_EQ(seen.size(), total) << "nothing comes twice";
    if (!seen.empty()) {
      EXPECT_EQ(*seen.begin(), 0);
      EXPECT_EQ(*seen.rbegin(), c.samples - 1);
    }
  }
}

TEST(Balanced, BatchesAreTheSameAtAnyNumberOfReplicas) {
  for (const Case& c : cases()) {
    Case alone = c;
    alone.replicas = 1;
    EXPECT_EQ(all_positions(order_of("balanced", c)), all_positions(order_of("balanced", alone))) << text(c);
  }
  EXPECT_TRUE(make_sampler("balanced", {.samples = 3})->is_global());
}

TEST(Random, EachReplicaTakesItsShareWithoutRepeats) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(text(c));
    const EpochOrder order = order_of("random", c);
    EXPECT_EQ(order.length(), share_size(c) * c.replicas);
    for (const auto& share : shares(order, c.replicas)) {
      EXPECT_EQ(share.size(), static_cast<std::size_t>(share_size(c)));
      const std::set<std::int64_t> distinct(share.begin(), share.end());
      EXPECT_EQ(distinct.size(), share.size());
      if (!distinct.empty()) {
        EXPECT_GE(*distinct.begin(), 0);
        EXPECT_LT(*distinct.rbegin(), c.samples);
      }
    }
  }
  EXPECT_FALSE(make_sampler("random", {.samples = 3})->is_global());
}

TEST(Random, MoreReplicasThanSamplesGivesOneSampleEach) {
  const EpochOrder order = order_of("random", {.samples = 3, .replicas = 7, .seed = 1, .epoch = 0});
  for (const auto& share : shares(order, 7)) EXPECT_EQ(share.size(), 1U);
  const EpochOrder single = order_of("random", {.samples = 1, .replicas = 4, .seed = 1, .epoch = 0});
  EXPECT_EQ(all_positions(single), (std::vector<std::int64_t>{0, 0, 0, 0}));
}

// Two independent shares of s of N samples meet in s^2 / N of them (hypergeometric); bound: five standard
// errors.
TEST(Random, SharesOverlapAsIndependentOnesDo) {
  constexpr std::int64_t kSamples = 600;
  constexpr int kEpochs = 100;
  for (const int replicas : {2, 3, 5}) {
    const double share = static_cast<double>(share_size({kSamples, replicas, 0, 0}));
    double overlap = 0;
    for (int epoch = 0; epoch < kEpochs; ++epoch) {
      auto lists = shares(order_of("random", {kSamples, replicas, 11, epoch}), replicas);
      std::sort(lists[0].begin(), lists[0].end());
      std::sort(lists[1].begin(), lists[1].end());
      std::vector<std::int64_t> both;
      std::set_intersection(lists[0].begin(), lists[0].end(), lists[1].begin(), lists[1].end(),
                            std::back_inserter(both));
      overlap += static_cast<double>(both.size()) / kEpochs;
    }
    const double fraction = share / kSamples;
    const double variance = share * fraction * (1 - fraction) * (kSamples - share) / (kSamples - 1);
    EXPECT_NEAR(overlap, share * fraction, 5 * std::sqrt(variance / kEpochs)) << "W " << replicas;
  }
}

// A sample is missed by all with probability (1 - ceil(N/W)/N)^W. Samples compete for places, so their misses
// are negatively correlated and N q (1 - q) bounds the variance of their number.
TEST(Random, UnseenShareFollowsItsFormula) {
  constexpr std::int64_t kSamples = 601;  // does not divide
  constexpr int kEpochs = 100;
  for (const int replicas : {1, 2, 3, 8}) {
    double unseen = 0;
    for (int epoch = 0; epoch < kEpochs; ++epoch) {
      const auto seen = all_positions(order_of("random", {kSamples, replicas, 12, epoch}));
      const auto distinct = std::set<std::int64_t>(seen.begin(), seen.end()).size();
      unseen += (static_cast<double>(kSamples) - static_cast<double>(distinct)) / kEpochs;
    }
    const double share = static_cast<double>(share_size({kSamples, replicas, 0, 0}));
    const double missed = std::pow(1 - share / kSamples, replicas);
    EXPECT_NEAR(unseen, kSamples * missed, 5 * std::sqrt(kSamples * missed * (1 - missed) / kEpochs))
        << "W " << replicas;
  }
}

// All 24 orders of four samples are equally frequent over the epochs.
TEST(Balanced, PermutationsAreUniformOverEpochs) {
  std::map<std::vector<std::int64_t>, double> counts;
  for (int epoch = 0; epoch < 24'000; ++epoch)
    ++counts[all_positions(order_of("balanced", {4, 1, 3, epoch}))];
  ASSERT_EQ(counts.size(), 24U);
  std::vector<double> cells;
  for (const auto& [order, count] : counts) cells.push_back(count);
  EXPECT_LT(std::fabs(chi_square_deviation(cells)), 5);
}

// Over seeds, too: (shares of two replicas, in order) of three samples, 6 x 6 equally frequent pairs.
TEST(Random, ReplicasAreJointlyUniformOverSeeds) {
  std::map<std::vector<std::int64_t>, double> counts;
  for (std::uint64_t seed = 0; seed < 36'000; ++seed)
    ++counts[all_positions(order_of("random", {3, 2, seed, 0}))];
  ASSERT_EQ(counts.size(), 36U);
  std::vector<double> cells;
  for (const auto& [order, count] : counts) cells.push_back(count);
  EXPECT_LT(std::fabs(chi_square_deviation(cells)), 5);
}

// Sample s at position p, counted over epochs: each row and column of the N x N table sums to the epochs,
// which leaves (N - 1)^2 degrees of freedom and scales Pearson's statistic by (N - 1) / N.
TEST(Balanced, EverySampleIsEquallyOftenAtEveryPosition) {
  constexpr std::size_t kSamples = 30;
  constexpr int kEpochs = 6000;
  std::vector<double> counts(kSamples * kSamples);
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto order = all_positions(order_of("balanced", {kSamples, 1, 5, epoch}));
    for (std::size_t p = 0; p < kSamples; ++p) ++counts[p * kSamples + static_cast<std::size_t>(order[p])];
  }
  constexpr double kExpected = static_cast<double>(kEpochs) / kSamples;
  double statistic = 0;
  for (const double count : counts) statistic += (count - kExpected) * (count - kExpected) / kExpected;
  statistic *= (kSamples - 1.0) / kSamples;
  const double freedom = (kSamples - 1.0) * (kSamples - 1.0);
  EXPECT_LT(std::fabs(statistic - freedom) / std::sqrt(2 * freedom), 5);
}

TEST(Samplers, EpochsArePureFunctionsOfTheirNames) {
  for (const std::string& name : sampler_names()) {
    const SamplerProblem problem{.samples = 500, .replicas = 3, .seed = 9, .labels = labels_of(500)};
    const auto sampler = make_sampler(name, problem);
    const auto fifth = all_positions(sampler->epoch(5));
    EXPECT_NE(all_positions(sampler->epoch(6)), fifth) << name;
    EXPECT_EQ(all_positions(sampler->epoch(5)), fifth) << name << ": asked again after another epoch";
    EXPECT_EQ(all_positions(make_sampler(name, problem)->epoch(5)), fifth) << name << ": another object";
  }
}

TEST(Samplers, SeedsAndEpochsNeverGiveTheSameOrder) {
  for (const std::string& name : sampler_names()) {
    std::set<std::vector<std::int64_t>> orders;
    std::size_t asked = 0;
    for (const std::uint64_t seed : {0ULL, 1ULL, 2ULL, 1ULL << 32U, (1ULL << 32U) + 1, ~0ULL}) {
      for (const std::int64_t epoch : {0, 1, 2, 1000}) {
        orders.insert(all_positions(order_of(name, {200, 2, seed, epoch})));
        ++asked;
      }
    }
    EXPECT_EQ(orders.size(), asked) << name;
  }
}

TEST(Random, ReplicasShuffleDifferently) {
  const auto lists = shares(order_of("random", {300, 3, 0, 0}), 3);
  EXPECT_NE(lists[0], lists[1]);
  EXPECT_NE(lists[1], lists[2]);
  // Nor does a replica repeat the balanced order of the same seed and epoch.
  const auto balanced = all_positions(order_of("balanced", {300, 1, 0, 0}));
  for (const auto& list : lists) EXPECT_FALSE(std::equal(list.begin(), list.end(), balanced.begin()));
}

TEST(Shuffled, TakingLessGivesTheBeginning) {
  const auto whole = shuffled(101, 101, 4, 2, 1);
  for (const std::int64_t take : {0, 1, 2, 7, 100}) {
    const auto part = shuffled(101, take, 4, 2, 1);
    EXPECT_EQ(part, std::vector<std::int32_t>(whole.begin(), whole.begin() + take)) << take;
  }
  EXPECT_THROW(shuffled(3, 4, 0, 0, 0), InternalError);
}

TEST(MakeSampler, NamesTheWordAtFaultAndTheKnownOnes) {
  const auto message = [](const std::string& name) -> std::string {
    try {
      make_sampler(name, {.samples = 10, .replicas = 2, .labels = labels_of(10)});
    } catch (const UsageError& error) {
      return error.what();
    }
    return {};
  };
  for (const std::string name : {"", "balancd", "Balanced", "balanced ", "random2"}) {
    EXPECT_NE(message(name).find("--sampler " + name), std::string::npos) << name;
    for (const std::string& known : sampler_names()) {
      EXPECT_NE(message(name).find(known), std::string::npos) << message(name);
    }
  }
  for (const std::string name : {"balanced:alpha=1", "random:k=2"}) {
    EXPECT_NE(message(name).find("takes no parameters"), std::string::npos) << message(name);
    EXPECT_NE(message(name).find(name), std::string::npos) << message(name);
  }
  for (const std::string& known : sampler_names()) EXPECT_EQ(message(known), "");
}

TEST(MakeSampler, EveryDescribedSamplerCanBeMade) {
  std::vector<std::string> described;
  for (const SamplerDescription& line : sampler_descriptions()) {
    EXPECT_FALSE(line.summary.empty());
    described.push_back(line.name);
  }
  EXPECT_EQ(described, sampler_names());
}

}  // namespace
}  // namespace dml::test
