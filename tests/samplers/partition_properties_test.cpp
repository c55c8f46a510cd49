// What the samplers with owned lists promise, over drawn sizes, partitions, seeds, epochs and labels.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/proportion.h"
#include "samplers/partition.h"
#include "samplers/random_numbers.h"
#include "samplers/sampler.h"

namespace dml::test {
namespace {

using Lists = std::vector<std::vector<std::int64_t>>;

struct Case {
  std::int64_t samples = 0;
  int partitions = 1;
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  std::vector<std::uint8_t> labels;

  [[nodiscard]] SamplerProblem problem(int replicas = 1) const {
    return {
        .samples = samples, .replicas = replicas, .seed = seed, .partitions = partitions, .labels = labels};
  }
  [[nodiscard]] std::string text() const {
    return "N " + std::to_string(samples) + ", P " + std::to_string(partitions) + ", seed " +
           std::to_string(seed) + ", epoch " + std::to_string(epoch);
  }
};

/// P in 1..12, N from P (4 P where `roomy`) to 700, up to 10 classes of uneven sizes.
std::vector<Case> cases(bool roomy) {
  std::vector<Case> result;
  std::mt19937_64 random(20241124);
  for (int i = 0; i < 200; ++i) {
    Case c;
    c.partitions = static_cast<int>(random() % 12) + 1;
    const std::int64_t least = c.partitions * (roomy ? 4 : 1);
    c.samples = least + static_cast<std::int64_t>(random() % (i % 4 == 0 ? 3 : 600));
    c.seed = random();
    c.epoch = static_cast<std::int64_t>(random() % 1000);
    const std::uint64_t classes = random() % 10 + 1;
    for (std::int64_t s = 0; s < c.samples; ++s) {
      c.labels.push_back(static_cast<std::uint8_t>(std::min(random() % classes, random() % classes)));
    }
    result.push_back(std::move(c));
  }
  return result;
}

/// The samples of partition v in order, by the position rule alone.
Lists lists_of(const EpochOrder& order, int partitions) {
  Lists lists(static_cast<std::size_t>(partitions));
  for (std::int64_t p = 0; p < order.length(); ++p) {
    const auto sample = order.sample(p);
    EXPECT_EQ(order.holds(p), sample.has_value());
    if (sample) lists[static_cast<std::size_t>(p % partitions)].push_back(*sample);
  }
  return lists;
}

Lists lists_of(const std::string& sampler, const Case& c) {
  return lists_of(make_sampler(sampler, c.problem())->epoch(c.epoch), c.partitions);
}

std::vector<std::set<std::int64_t>> sets_of(const Lists& lists) {
  std::vector<std::set<std::int64_t>> sets;
  for (const auto& list : lists) sets.emplace_back(list.begin(), list.end());
  return sets;
}

std::vector<std::int64_t> sizes_of(const Lists& lists) {
  std::vector<std::int64_t> sizes;
  for (const auto& list : lists) sizes.push_back(static_cast<std::int64_t>(list.size()));
  return sizes;
}

std::int64_t spread(const std::vector<std::int64_t>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return *most - *least;
}

void expect_every_sample_once(const Lists& lists, std::int64_t samples) {
  std::vector<std::int64_t> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  std::sort(all.begin(), all.end());
  std::vector<std::int64_t> expected(static_cast<std::size_t>(samples));
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
}

const std::vector<std::string> kFixed = {"contiguous",        "strided",
                                         "shards:k=3",        "dirichlet:alpha=0.8",
                                         "quantity:law=zipf", "quantity:law=lognormal,sigma=0.7"};

TEST(Partitions, AreDisjointAndCoverTheDataSet) {
  for (const Case& c : cases(true)) {
    SCOPED_TRACE(c.text());
    expect_every_sample_once(lists_of("stratified", c), c.samples);
    for (const std::string& sampler : kFixed) {
      SCOPED_TRACE(sampler);
      Lists lists;
      try {
        lists = lists_of(sampler, c);
      } catch (const UsageError&) {
        EXPECT_EQ(sampler, "dirichlet:alpha=0.8") << "the others always find one";
        continue;
      }
      expect_every_sample_once(lists, c.samples);
      for (const std::int64_t size : sizes_of(lists)) EXPECT_GE(size, 1);
    }
  }
}

TEST(Partitions, OwnershipIsFixedAndEpochsShuffleEachList) {
  Case c{.samples = 400, .partitions = 5, .seed = 3, .epoch = 0, .labels = std::vector<std::uint8_t>(400)};
  for (std::size_t i = 0; i < 400; ++i) c.labels[i] = static_cast<std::uint8_t>(i * i % 10);
  Case later = c;
  later.epoch = 7;
  for (const std::string& sampler : kFixed) {
    const Lists first = lists_of(sampler, c), second = lists_of(sampler, later);
    EXPECT_EQ(sets_of(first), sets_of(second)) << sampler;
    for (std::size_t v = 0; v < first.size(); ++v) {
      if (first[v].size() > 10) {
        EXPECT_NE(first[v], second[v]) << sampler;
      }
    }
  }
  EXPECT_NE(sets_of(lists_of("stratified", c)), sets_of(lists_of("stratified", later))) << "redrawn";
}

TEST(Partitions, ThatDependOnTheSeedChangeWithIt) {
  Case c{.samples = 400, .partitions = 5, .seed = 3, .epoch = 0, .labels = std::vector<std::uint8_t>(400)};
  for (std::size_t i = 0; i < 400; ++i) c.labels[i] = static_cast<std::uint8_t>(i % 10);
  Case other = c;
  other.seed = 4;
  for (const std::string sampler : {"shards", "dirichlet", "quantity", "quantity:law=lognormal"}) {
    EXPECT_NE(sets_of(lists_of(sampler, c)), sets_of(lists_of(sampler, other))) << sampler;
  }
  EXPECT_EQ(sets_of(lists_of("contiguous", c)), sets_of(lists_of("contiguous", other)));
}

TEST(Partitions, MeanTheSameOnAnyNumberOfRanks) {
  for (const Case& c : cases(true)) {
    for (const std::string sampler : {"contiguous", "stratified", "random", "bootstrap", "shards"}) {
      const EpochOrder alone = make_sampler(sampler, c.problem(1))->epoch(c.epoch);
      const EpochOrder together = make_sampler(sampler, c.problem(4))->epoch(c.epoch);
      ASSERT_EQ(alone.length(), together.length());
      // From the middle on, as a run that goes on elsewhere does.
      for (std::int64_t p = alone.length() / 2; p < alone.length(); ++p) {
        ASSERT_EQ(alone.sample(p), together.sample(p)) << sampler << ", " << c.text();
      }
    }
  }
}

TEST(Contiguous, OwnsBlocksOfFileOrder) {
  for (const Case& c : cases(false)) {
    const auto sets = sets_of(lists_of("contiguous", c));
    std::int64_t next = 0;
    for (const auto& owned : sets) {
      EXPECT_EQ(*owned.begin(), next);
      next = *owned.rbegin() + 1;
      EXPECT_EQ(static_cast<std::int64_t>(owned.size()), next - *owned.begin());
    }
    EXPECT_LE(spread(sizes_of(lists_of("contiguous", c))), 1) << c.text();
  }
}

TEST(Strided, OwnsEveryPthSample) {
  for (const Case& c : cases(false)) {
    const Lists lists = lists_of("strided", c);
    for (std::size_t v = 0; v < lists.size(); ++v) {
      for (const std::int64_t sample : lists[v])
        EXPECT_EQ(sample % c.partitions, static_cast<std::int64_t>(v));
    }
  }
}

TEST(Stratified, CountsOfEveryClassDifferByAtMostOne) {
  for (const Case& c : cases(false)) {
    const Lists lists = lists_of("stratified", c);
    EXPECT_LE(spread(sizes_of(lists)), 1) << c.text();
    for (int label = 0; label < 10; ++label) {
      std::vector<std::int64_t> counts;
      for (const auto& list : lists) {
        counts.push_back(std::count_if(list.begin(), list.end(), [&](std::int64_t sample) {
          return c.labels[static_cast<std::size_t>(sample)] == label;
        }));
      }
      EXPECT_LE(spread(counts), 1) << c.text() << ", label " << label;
    }
  }
}

TEST(Shards, AreCutFromTheOrderByLabel) {
  constexpr int kShards = 3;
  for (const Case& c : cases(true)) {
    std::vector<std::int64_t> sorted(static_cast<std::size_t>(c.samples));
    std::iota(sorted.begin(), sorted.end(), 0);
    std::stable_sort(sorted.begin(), sorted.end(), [&](std::int64_t a, std::int64_t b) {
      return c.labels[static_cast<std::size_t>(a)] < c.labels[static_cast<std::size_t>(b)];
    });
    std::vector<std::int64_t> place(sorted.size());
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      place[static_cast<std::size_t>(sorted[i])] = static_cast<std::int64_t>(i);
    }
    const std::int64_t shards = kShards * c.partitions;
    for (const auto& owned : lists_of("shards:k=3", c)) {
      std::map<std::int64_t, std::int64_t> found;  // shard -> how many of its samples
      for (const std::int64_t sample : owned) {
        std::int64_t shard = place[static_cast<std::size_t>(sample)] * shards / c.samples;
        while ((shard + 1) * c.samples / shards <= place[static_cast<std::size_t>(sample)]) ++shard;
        ++found[shard];
      }
      EXPECT_EQ(found.size(), static_cast<std::size_t>(kShards)) << c.text();
      for (const auto& [shard, count] : found) {
        EXPECT_EQ(count, (shard + 1) * c.samples / shards - shard * c.samples / shards) << c.text();
      }
    }
  }
}

// A share p of P of a symmetric Dirichlet distribution has mean 1 / P and variance
// (1 / P) (1 - 1 / P) / (P alpha + 1); bounds: five standard errors, for the variance from the fourth
// moment's bound on [0, 1].
TEST(Dirichlet, SharesHaveTheMeanAndVarianceOfTheLaw) {
  constexpr int kPartitions = 4;
  constexpr std::int64_t kSamples = 4000;  // of one class, so rounding is 1 / 4000
  constexpr int kSeeds = 3000;
  const std::vector<std::uint8_t> labels(kSamples);
  for (const double alpha : {0.3, 1.0, 5.0}) {
    double sum = 0, squares = 0;
    int drawn = 0;
    for (int seed = 0; seed < kSeeds; ++seed) {
      // A partition that is not the smallest one's business: all are alike, and min=1 hardly ever redraws.
      const auto sampler =
          make_sampler("dirichlet:alpha=" + std::to_string(alpha), {.samples = kSamples,
                                                                    .seed = static_cast<std::uint64_t>(seed),
                                                                    .partitions = kPartitions,
                                                                    .labels = labels});
      const EpochOrder order = sampler->epoch(0);
      std::int64_t size = 0;
      for (std::int64_t p = 0; p < order.length(); p += kPartitions) size += order.holds(p) ? 1 : 0;
      const double share = static_cast<double>(size) / kSamples;
      sum += share;
      squares += share * share;
      ++drawn;
    }
    const double mean = sum / drawn, variance = squares / drawn - mean * mean;
    const double law = 1.0 / kPartitions * (1 - 1.0 / kPartitions) / (kPartitions * alpha + 1);
    EXPECT_NEAR(mean, 1.0 / kPartitions, 5 * std::sqrt(law / drawn)) << alpha;
    // Redraws of empty partitions cut a little off the tails at the smallest alpha.
    EXPECT_NEAR(variance / law, 1, alpha < 1 ? 0.15 : 0.12) << alpha;
  }
}

TEST(Dirichlet, SmallAlphaGivesAClassToFewPartitions) {
  std::vector<std::uint8_t> labels(2000);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::uint8_t>(i % 10);
  const auto largest_share = [&](const std::string& alpha) {
    const Case c{.samples = 2000, .partitions = 5, .seed = 1, .epoch = 0, .labels = labels};
    double mean = 0;
    const Lists lists = lists_of("dirichlet:alpha=" + alpha, c);
    for (int label = 0; label < 10; ++label) {
      std::int64_t most = 0;
      for (const auto& list : lists) {
        most = std::max<std::int64_t>(
            most, std::count_if(list.begin(), list.end(), [&](std::int64_t s) { return s % 10 == label; }));
      }
      mean += static_cast<double>(most) / 200 / 10;
    }
    return mean;
  };
  EXPECT_GT(largest_share("0.05"), 0.85);
  EXPECT_LT(largest_share("1000"), 0.25);
}

TEST(ProportionalParts, RoundByLargestRemainders) {
  using Parts = std::vector<std::int64_t>;
  EXPECT_EQ(proportional_parts(10, std::vector<double>{1, 1, 1}), (Parts{4, 3, 3}));
  EXPECT_EQ(proportional_parts(10, std::vector<double>{0.15, 0.25, 0.6}), (Parts{2, 2, 6})) << "1.5 and 2.5";
  EXPECT_EQ(proportional_parts(7, std::vector<double>{5, 2.6, 0}), (Parts{5, 2, 0})) << "4.61, 2.39, 0";
  EXPECT_EQ(proportional_parts(0, std::vector<double>{1, 2}), (Parts{0, 0}));
  EXPECT_THROW(proportional_parts(1, std::vector<double>{0, 0}), InternalError);
}

TEST(Quantity, ZipfSizesFollowTheLaw) {
  const Case c{.samples = 25'004, .partitions = 4, .seed = 8, .epoch = 0, .labels = {}};
  // 25,000 in proportions 12 : 6 : 4 : 3, and one each.
  EXPECT_EQ(sizes_of(lists_of("quantity:law=zipf,exponent=1", c)),
            (std::vector<std::int64_t>{12'001, 6'001, 4'001, 3'001}));
  EXPECT_EQ(lists_of("quantity", c), lists_of("quantity:law=zipf,exponent=1", c)) << "the defaults";
}

TEST(Quantity, LognormalSizesHaveTheSpreadOfTheLaw) {
  constexpr double kSigma = 0.5;
  double squares = 0;
  int count = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const Case c{.samples = 100'000, .partitions = 8, .seed = seed, .epoch = 0, .labels = {}};
    const EpochOrder order = make_sampler("quantity:law=lognormal,sigma=0.5", c.problem())->epoch(0);
    std::vector<double> logs(8);
    std::vector<std::int64_t> sizes(8);
    for (std::int64_t p = 0; p < order.length(); ++p)
      sizes[static_cast<std::size_t>(p % 8)] += order.holds(p) ? 1 : 0;
    for (std::size_t v = 0; v < 8; ++v) logs[v] = std::log(static_cast<double>(sizes[v]));
    const double mean = std::accumulate(logs.begin(), logs.end(), 0.0) / 8;  // takes out the common factor
    for (const double log : logs) {
      squares += (log - mean) * (log - mean);
      ++count;
    }
  }
  EXPECT_NEAR(squares / count * 8 / 7, kSigma * kSigma, 0.02);
}

// Draws with replacement: N cells, P ceil(N / P) balls an epoch.
TEST(Bootstrap, DrawsAreUniformAndIndependentOfThePartition) {
  constexpr std::int64_t kSamples = 50;
  constexpr int kPartitions = 3, kEpochs = 2000;
  std::vector<double> counts(kSamples * kPartitions);
  const Case c{.samples = kSamples, .partitions = kPartitions, .seed = 2, .epoch = 0, .labels = {}};
  const auto sampler = make_sampler("bootstrap", c.problem());
  bool repeats = false;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const Lists lists = lists_of(sampler->epoch(epoch), kPartitions);
    EXPECT_NE(lists[0], lists[1]) << "each partition draws by itself";
    for (std::size_t v = 0; v < lists.size(); ++v) {
      EXPECT_EQ(lists[v].size(), 17U);
      repeats |= std::set<std::int64_t>(lists[v].begin(), lists[v].end()).size() < lists[v].size();
      for (const std::int64_t sample : lists[v]) ++counts[v * kSamples + static_cast<std::size_t>(sample)];
    }
  }
  EXPECT_TRUE(repeats);
  const double expected = 17.0 * kEpochs / kSamples;
  double statistic = 0;
  for (const double count : counts) statistic += (count - expected) * (count - expected) / expected;
  const double freedom = kPartitions * (kSamples - 1.0);
  EXPECT_LT(std::fabs(statistic - freedom) / std::sqrt(2 * freedom), 5);
}

TEST(RandomNumbers, GammaHasItsMoments) {
  for (const double alpha : {0.1, 0.5, 1.0, 4.0}) {
    RandomWords random(PhiloxStream(7, RandomUse::sampling, 1));
    constexpr int kDraws = 200'000;
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double x = random.gamma(alpha);
      sum += x;
      squares += x * x;
    }
    const double mean = sum / kDraws;
    EXPECT_NEAR(mean, alpha, 5 * std::sqrt(alpha / kDraws)) << alpha;
    // The variance of a sample variance is (mu4 - sigma^4) / n with mu4 = 3 alpha^2 + 6 alpha.
    EXPECT_NEAR(squares / kDraws - mean * mean, alpha,
                5 * std::sqrt((2 * alpha * alpha + 6 * alpha) / kDraws))
        << alpha;
  }
}

TEST(RandomNumbers, NormalsHaveTheirMomentsAndUniformsStayInside) {
  RandomWords random(PhiloxStream(3, RandomUse::sampling, 1));
  constexpr int kDraws = 200'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    const double u = random.uniform();
    EXPECT_TRUE(u > 0 && u < 1);
  }
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
}

// ---- lists are made when they are needed

TEST(EpochOrderLists, AreMadeForThoseWhoAsk) {
  std::vector<int> made(3);
  const EpochOrder order = EpochOrder::owned({2, 2, 1}, [&](std::size_t v) {
    ++made[v];
    return EpochOrder::List(v == 2 ? 1 : 2, static_cast<std::int32_t>(v));
  });
  EXPECT_EQ(order.length(), 6);
  for (std::int64_t p = 0; p < 6; ++p) EXPECT_EQ(order.holds(p), p != 5);
  EXPECT_EQ(made, (std::vector<int>{0, 0, 0}));
  EXPECT_EQ(order.sample(4), 1);
  EXPECT_EQ(order.sample(1), 1);
  EXPECT_EQ(made, (std::vector<int>{0, 1, 0}));
}

// ---- what cannot be

std::string refusal(const std::string& text, const SamplerProblem& problem) {
  try {
    make_sampler(text, problem);
  } catch (const UsageError& error) {
    return error.what();
  }
  return {};
}

TEST(Partitions, ThatCannotBeAreRefusedWithTheNearestThatCan) {
  const std::vector<std::uint8_t> labels(10);
  const SamplerProblem ten{.samples = 10, .replicas = 3, .labels = labels};
  SamplerProblem many = ten;
  many.partitions = 11;
  const auto expect = [](const std::string& message, const std::vector<std::string>& parts) {
    for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  for (const std::string sampler :
       {"contiguous", "strided", "stratified", "shards", "dirichlet", "quantity"}) {
    expect(refusal(sampler, many), {"--sampler " + sampler, "11 partitions", "10 samples", "--partitions"});
  }
  expect(refusal("shards:k=4", ten),
         {"--sampler shards:k=4", "3 partitions of 4 shards", "largest k that works is 3"});
  expect(refusal("dirichlet:min=4", ten),
         {"3 partitions cannot have 4 of 10", "largest min that works is 3"});
  expect(refusal("dirichlet:alpha=0.001,min=3", ten),
         {"in 100 draws", "fewer than 3 samples", "larger alpha"});
  for (const std::string alpha : {"0", "-1", "nan", "inf", "1e9", "x", "0.1x"}) {
    expect(refusal("dirichlet:alpha=" + alpha, ten), {"alpha is " + alpha, "above 0"});
  }
  for (const std::string k : {"0", "-2", "1.5", "two", "99999999999"}) {
    expect(refusal("shards:k=" + k, ten), {"k is " + k, "whole number from 1"});
  }
  expect(refusal("quantity:law=pareto", ten), {"law is pareto", "zipf, lognormal"});
  expect(refusal("quantity:law=zipf,sigma=1", ten), {"has no parameter sigma", "law, exponent"});
  expect(refusal("dirichlet:beta=1", ten), {"has no parameter beta", "alpha, min"});
  expect(refusal("dirichlet:alpha", ten), {"\"alpha\" is none", "key=value"});
  expect(refusal("shards:k=1,k=2", ten), {"the key k is given twice"});
  expect(refusal("contiguous:k=1", ten), {"takes no parameters"});
}

}  // namespace
}  // namespace dml::test
