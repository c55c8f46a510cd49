// Philox4x32-10 against the known answers published with Random123, and the streams built on it.
#include "kernels/base/philox.h"

#include <cmath>
#include <gtest/gtest.h>
#include <set>
#include <utility>

namespace dml::test {
namespace {

TEST(Philox, GivesThePublishedAnswers) {
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, IsAConstantExpression) {
  static_assert(philox4x32({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5, "usable at compile time and on devices");
}

TEST(PhiloxStream, IndexesTheWordsOfItsBlocks) {
  const PhiloxStream stream(0x299f31d0a4093822, RandomUse::shuffle, 9, 5);
  for (const std::uint32_t block : {0U, 1U, 0xffffffffU}) {
    const PhiloxCounter expected = philox4x32({block, 5, 2, 9}, {0xa4093822, 0x299f31d0});
    EXPECT_EQ(stream.block(block), expected);
    for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(stream.word(4 * std::uint64_t{block} + i), expected[i]);
  }
}

TEST(PhiloxStream, DiffersBySeedUseStreamAndSubstream) {
  std::set<std::uint32_t> words;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32U}) {
    for (const RandomUse use : {RandomUse::initialisation, RandomUse::shuffle}) {
      for (const std::uint32_t stream : {0U, 1U}) {
        for (const std::uint32_t substream : {0U, 1U}) {
          words.insert(PhiloxStream(seed, use, stream, substream).word(0));
        }
      }
    }
  }
  EXPECT_EQ(words.size(), 3U * 2 * 2 * 2);
}

TEST(PhiloxStream, IsUniform) {
  constexpr int kDraws = 40000;
  const PhiloxStream stream(7, RandomUse::sampling, 0);
  double sum = 0;
  double squares = 0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double u = stream.uniform(i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }
  // Six standard errors: the mean of u has variance 1/12, that of u^2 has variance 4/45.
  EXPECT_NEAR(sum / kDraws, 1.0 / 2, 6 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 6 * std::sqrt(4.0 / 45 / kDraws));
}

}  // namespace
}  // namespace dml::test
