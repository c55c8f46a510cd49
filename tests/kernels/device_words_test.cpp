// CUDA's words, one by one, against what the CUDA C++ Programming Guide says of them: by the emulator, plain
// and with every access checked; or, compiled for a GPU, there. What holds on both is what kernels may use.
#include <algorithm>
#include <bit>
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

#include "tests/kernels/device_words_kernels.h"
#include "tests/kernels/emulator/device_arrays.h"

namespace dml::test {
namespace {

std::vector<int> counted(int count, int first = 0) {
  std::vector<int> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), first);
  return values;
}

/// Which lane's value a lane is given ("Warp Shuffle Functions").
int shuffled_from(device::ShuffleWord word, int lane, int operand, int width) {
  const int in_group = lane % width, group = lane - in_group;
  switch (word) {
    case device::ShuffleWord::index:
      return group + operand % width;  // modulo the width
    case device::ShuffleWord::up:
      return in_group >= operand ? lane - operand : lane;  // the lowest lanes are unchanged
    case device::ShuffleWord::down:
      return in_group + operand < width ? lane + operand : lane;
    case device::ShuffleWord::exchange: {
      const int source = lane ^ operand;  // an earlier group's values are read, a later one's are not
      return source < group + width ? source : lane;
    }
  }
  return lane;
}

TEST(DeviceWords, ShufflesReadTheLanesOfTheGuide) {
  DeviceUnderTest on(0);
  DeviceArray<int> x(on, counted(32, 100));
  DeviceArray<int> y(on, std::size_t{32});
  for (const auto word : {device::ShuffleWord::index, device::ShuffleWord::up, device::ShuffleWord::down,
                          device::ShuffleWord::exchange}) {
    for (const int width : {32, 16, 4, 1}) {
      for (const int operand : {0, 1, 2, 5, 15, 16, 31}) {
        device::run_shuffle(word, operand, width, x.data(), y.data(), on.stream());
        const std::vector<int> values = y.values();
        for (int lane = 0; lane < 32; ++lane) {
          EXPECT_EQ(values[static_cast<std::size_t>(lane)], 100 + shuffled_from(word, lane, operand, width))
              << "word " << static_cast<int>(word) << ", lane " << lane << ", operand " << operand
              << ", width " << width;
        }
      }
    }
  }
}

TEST(DeviceWords, ShufflesCarryDoubles) {
  DeviceUnderTest on(1);
  std::vector<double> values;
  for (int i = 0; i < 32; ++i) values.push_back(1 + i * 0x1p-40);
  DeviceArray<double> x(on, values), y(on, std::size_t{32});
  device::run_double_sum(x.data(), y.data(), on.stream());
  EXPECT_EQ(y.values(), std::vector<double>(32, 32 + 496 * 0x1p-40));
}

TEST(DeviceWords, VotesAreThoseOfTheMask) {
  std::vector<int> votes(32, 0);
  for (const std::size_t lane : {0, 3, 15}) votes[lane] = 4;
  std::fill(votes.begin() + 16, votes.end(), 1);
  for (const std::uint64_t order : kOrders) {
    DeviceUnderTest on(order);
    DeviceArray<int> x(on, votes);
    DeviceArray<unsigned> y(on, std::size_t{96});
    device::run_votes(x.data(), y.data(), on.stream());
    const std::vector<unsigned> values = y.values();
    for (std::size_t lane = 0; lane < 32; ++lane) {
      EXPECT_EQ(values[lane], lane < 16 ? 0x8009U : 0xffff0000U) << lane;
      EXPECT_EQ(values[32 + lane], 1U) << lane;
      EXPECT_EQ(values[64 + lane], lane < 16 ? 0U : 1U) << lane;
    }
  }
}

TEST(DeviceWords, BitsAreCounted) {
  const std::vector<unsigned> words{
      0, 1, 2, 0x80000000U, 0xffffffffU, 0x00ff00f0U, std::bit_cast<unsigned>(2.5F)};
  DeviceUnderTest on(0);
  DeviceArray<unsigned> x(on, words), y(on, 4 * words.size());
  device::run_bits(static_cast<int>(words.size()), x.data(), y.data(), on.stream());
  const std::vector<unsigned> values = y.values();
  for (std::size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(values[i], static_cast<unsigned>(std::popcount(words[i])));
    EXPECT_EQ(values[words.size() + i],
              words[i] == 0 ? 0U : static_cast<unsigned>(std::countr_zero(words[i])) + 1);
    EXPECT_EQ(values[2 * words.size() + i], static_cast<unsigned>(std::countl_zero(words[i])));
  }
  EXPECT_EQ(values.back(), std::bit_cast<unsigned>(3.5F));
}

TEST(DeviceWords, AtomicsLoseNothing) {
  for (const std::uint64_t order : kOrders) {
    for (const int blocks : {1, 7}) {
      const int threads = 96 * blocks;
      DeviceUnderTest on(order);
      DeviceArray<int> memory(on, std::vector<int>{0, 0, 0, 1000, -1, 0, 0, 0});
      DeviceArray<int> tickets(on, static_cast<std::size_t>(threads));
      device::run_atomics(blocks, memory.data(), tickets.data(), on.stream());
      std::vector<int> left = memory.values(), drawn = tickets.values();
      int all_ones = -1, any_ones = 0;
      for (int i = 1; i <= threads; ++i) {
        all_ones &= i;
        any_ones |= i;
      }
      EXPECT_TRUE(left[6] >= 1 && left[6] <= threads) << left[6];
      left.erase(left.begin() + 6);
      EXPECT_EQ(left, (std::vector<int>{threads, -threads, threads, 1, all_ones, any_ones, threads}));
      std::sort(drawn.begin(), drawn.end());
      EXPECT_EQ(drawn, counted(threads)) << "two threads drew the same ticket";
    }
  }
}

TEST(DeviceWords, BlocksOfACooperativeLaunchWaitForEachOther) {
  for (const std::uint64_t order : kOrders) {
    for (const int blocks : {1, 2, 7}) {
      const int values = 64 * blocks;
      DeviceUnderTest on(order);
      DeviceArray<unsigned> barrier(on, std::vector<unsigned>{0, 0});
      DeviceArray<int> x(on, counted(values)), y(on, static_cast<std::size_t>(values));
      device::run_grid_barrier(blocks, barrier.data(), x.data(), y.data(), on.stream());
      std::vector<int> turned = counted(values);
      std::rotate(turned.begin(), turned.begin() + 64 * 3 % values, turned.end());
      EXPECT_EQ(x.values(), turned) << blocks << " blocks, order " << order;
    }
  }
}

TEST(DeviceWords, NamedBarriersOrderWhoArrivesAndWhoWaits) {
  for (const std::uint64_t order : kOrders) {
    DeviceUnderTest on(order);
    DeviceArray<int> x(on, counted(32)), y(on, std::size_t{32});
    device::run_named_barrier(x.data(), y.data(), on.stream());
    std::vector<int> turned = counted(32);
    std::reverse(turned.begin(), turned.end());
    EXPECT_EQ(y.values(), turned);
  }
}

TEST(DeviceWords, AsynchronousCopiesArriveGroupByGroup) {
  DeviceUnderTest on(0);
  DeviceArray<int> x(on, counted(256)), y(on, std::size_t{256});
  device::run_async_copies(x.data(), y.data(), on.stream());
  EXPECT_EQ(y.values(), counted(256));
}

TEST(DeviceWords, VectorsAreTheirValuesInOrder) {
  std::vector<unsigned> words;
  for (unsigned i = 0; i < 128; ++i) words.push_back(0x3f010203U + 0x01010101U * (i % 64));
  DeviceUnderTest on(0);
  DeviceArray<unsigned> x(on, words), y(on, std::size_t{512});
  device::run_vectors(x.data(), y.data(), on.stream());
  const std::vector<unsigned> values = y.values();
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], words[i % 128]) << i;
}

}  // namespace
}  // namespace dml::test
