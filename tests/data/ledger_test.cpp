// The data ledger: counts, and a hash that knows what was consumed but not in which order or where.
#include "engine/data/ledger.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "kernels/base/error.h"

namespace dml {
namespace {

using Samples = std::vector<std::int64_t>;

LedgerSum sum_of(const Samples& samples) {
  LedgerSum sum;
  for (const std::int64_t sample : samples) sum.add(sample);
  return sum;
}

EpochLedger consumed(std::int64_t data_set, const Samples& samples) {
  DataLedger ledger(data_set);
  ledger.consume(samples);
  return read_counts(ledger.counts(), 3, true);
}

TEST(Ledger, CountsOnceRepeatedAndNever) {
  const EpochLedger ledger = consumed(6, {4, 1, 4, 4, 0});
  EXPECT_EQ(ledger.epoch, 3);
  EXPECT_EQ(ledger.once, 2);
  EXPECT_EQ(ledger.repeated, 1);
  EXPECT_EQ(ledger.never, 3);
  EXPECT_EQ(ledger.sum.draws, 5);
}

TEST(Ledger, HashIsThatOfTheMultisetInAnyOrder) {
  std::mt19937 random(1);
  Samples samples(1000);
  for (std::int64_t& sample : samples) sample = static_cast<std::int64_t>(random() % 400);
  const LedgerSum sum = sum_of(samples);
  EXPECT_EQ(consumed(400, samples).sum, sum);
  std::shuffle(samples.begin(), samples.end(), random);
  EXPECT_EQ(sum_of(samples), sum);
}

TEST(Ledger, CountsOfRanksAddUpToTheWhole) {
  DataLedger left(100), right(100), whole(100);
  for (std::int64_t sample = 0; sample < 150; ++sample) {
    const Samples one{sample % 100};
    whole.consume(one);
    (sample % 3 == 0 ? left : right).consume(one);
  }
  std::vector<std::int32_t> added(left.counts().begin(), left.counts().end());
  for (std::size_t i = 0; i < added.size(); ++i) added[i] += right.counts()[i];
  EXPECT_EQ(read_counts(added, 0, true).sum, read_counts(whole.counts(), 0, true).sum);
}

TEST(Ledger, OneOtherSampleIsAnotherHash) {
  Samples all(60'000);
  std::iota(all.begin(), all.end(), 0);
  std::set<std::uint64_t> hashes{sum_of(all).hash};
  for (const std::size_t changed : {0UL, 1UL, 31'000UL, 59'999UL}) {
    Samples other = all;
    other[changed] = (other[changed] + 7) % 60'000;  // one sample twice, another never
    EXPECT_TRUE(hashes.insert(sum_of(other).hash).second);
    other.erase(other.begin() + static_cast<std::ptrdiff_t>(changed));
    EXPECT_TRUE(hashes.insert(sum_of(other).hash).second);
  }
}

TEST(Ledger, ClearForgets) {
  DataLedger ledger(3);
  ledger.consume(Samples{0, 1, 2});
  ledger.clear();
  EXPECT_EQ(read_counts(ledger.counts(), 0, false).never, 3);
  EXPECT_EQ(read_counts(ledger.counts(), 0, false).sum, LedgerSum{});
}

TEST(Ledger, RefusesSamplesThatAreNotThere) {
  DataLedger ledger(3);
  EXPECT_THROW(ledger.consume(Samples{3}), InternalError);
  EXPECT_THROW(ledger.consume(Samples{-1}), InternalError);
}

}  // namespace
}  // namespace dml
