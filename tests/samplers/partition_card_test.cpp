// Partition cards of small partitions that can be worked out by hand.
#include "samplers/partition_card.h"

#include <cmath>
#include <gtest/gtest.h>
#include <vector>

namespace dml::test {
namespace {

using Counts = std::vector<std::int64_t>;

TEST(JensenShannon, IsZeroForTheSameAndOneForNothingInCommon) {
  EXPECT_DOUBLE_EQ(jensen_shannon_distance(Counts{1, 2, 3}, Counts{10, 20, 30}), 0);
  EXPECT_DOUBLE_EQ(jensen_shannon_distance(Counts{5, 0}, Counts{0, 2}), 1);
  EXPECT_DOUBLE_EQ(jensen_shannon_distance(Counts{5, 0}, Counts{1, 1}),
                   jensen_shannon_distance(Counts{1, 1}, Counts{5, 0}));
  // (1, 0) and (1/2, 1/2), middle (3/4, 1/4): (log2 4/3 + (log2 2/3) / 2 + (log2 2) / 2) / 2
  const double divergence = (std::log2(4.0 / 3) + std::log2(2.0 / 3) / 2 + 0.5) / 2;
  EXPECT_NEAR(jensen_shannon_distance(Counts{5, 0}, Counts{1, 1}), std::sqrt(divergence), 1e-15);
}

const std::vector<std::uint8_t> kLabels = {0, 0, 0, 1, 1, 1};

TEST(PartitionCard, CountsWhoHasWhat) {
  // Partition 0 has all of class 0, partition 1 two of class 1; sample 5 is nobody's.
  const PartitionCard card = describe_partition(EpochOrder::owned({{0, 1, 2}, {3, 4}}), 2, kLabels);
  ASSERT_EQ(card.shares.size(), 2U);
  EXPECT_EQ(card.shares[0].samples, 3);
  EXPECT_EQ(card.shares[1].samples, 2);
  EXPECT_EQ(card.shares[0].classes, (Counts{3, 0}));
  EXPECT_EQ(card.shares[1].classes, (Counts{0, 2}));
  EXPECT_DOUBLE_EQ(card.shares[0].label_distance, jensen_shannon_distance(Counts{1, 0}, Counts{1, 1}));
  EXPECT_DOUBLE_EQ(card.shares[0].idle, 0);
  EXPECT_DOUBLE_EQ(card.shares[1].idle, 1.0 / 3);
  EXPECT_EQ(card.once, 5);
  EXPECT_EQ(card.repeated, 0);
  EXPECT_EQ(card.never, 1);
  EXPECT_EQ(card.shared, 0);
  EXPECT_DOUBLE_EQ(card.effective_samples, 5);
  EXPECT_EQ(card.length, 6);
  EXPECT_EQ(card.steps(4), 2);
}

TEST(PartitionCard, TellsRepeatsFromOverlap) {
  // Sample 0 comes in both, sample 3 twice in one.
  const PartitionCard card = describe_partition(EpochOrder::owned({{0, 1, 2}, {0, 3, 3}}), 2, kLabels);
  EXPECT_EQ(card.once, 2);
  EXPECT_EQ(card.repeated, 2);
  EXPECT_EQ(card.never, 2);
  EXPECT_EQ(card.shared, 1);
  EXPECT_DOUBLE_EQ(card.effective_samples, 36.0 / (4 + 1 + 1 + 4));
}

TEST(PartitionCard, OfAGlobalOrderIsOfItsReplicas) {
  const PartitionCard card = describe_partition(EpochOrder::global({5, 4, 3, 2, 1, 0}), 3, kLabels);
  ASSERT_EQ(card.shares.size(), 3U);
  for (const PartitionShare& share : card.shares) {
    EXPECT_EQ(share.classes, (Counts{1, 1}));
    EXPECT_DOUBLE_EQ(share.label_distance, 0);
  }
  EXPECT_EQ(card.once, 6);
}

TEST(PartitionCard, ReadsAsATable) {
  const std::string text =
      card_text(describe_partition(EpochOrder::owned({{0, 1, 2}, {3, 4}}), 2, kLabels), "title", 4);
  EXPECT_NE(text.find("title\npartition "), std::string::npos) << text;
  EXPECT_NE(text.find("        1         2  33.3 %     0.558      0     2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("once 5 (83.3 %), more often 0 (0.0 %), never 1 (16.7 %), in several partitions 0"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("effective samples 5 of 6; 2 steps an epoch"), std::string::npos) << text;
}

}  // namespace
}  // namespace dml::test
