// What the communicators compute, over {threads, gloo} x ranks 1..4 x sizes x types, with integers whose
// answers are known in closed form, and with real numbers whose sums must be the same bits everywhere.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <mutex>
#include <random>
#include <thread>

#include "tests/comm/ranks.h"

namespace dml::test {
namespace {

#if defined(__SANITIZE_THREAD__)
constexpr std::int64_t kLargest = 140000;  // a tenth of the speed, and still several frames for each rank
#else
constexpr std::int64_t kLargest = 1 << 20;
#endif
// Fewer elements than ranks, odd, the gradients of lenet, and more than one frame of the wire format per
// rank.
constexpr std::int64_t kSizes[] = {0, 1, 7, 1000, 51904, kLargest};

/// Small integers, exact in every type, that differ by rank and by place.
template <class T>
std::vector<T> integers(std::int64_t count, int factor) {
  std::vector<T> values(static_cast<std::size_t>(count));
  T step = 0;
  for (T& value : values) {
    step = step == T{22} ? T{1} : static_cast<T>(step + T{1});
    value = static_cast<T>(step * static_cast<T>(factor));
  }
  return values;
}

/// What a rank contributes.
template <class T>
std::vector<T> integers_of_rank(std::int64_t count, int rank) {
  return integers<T>(count, rank + 1);
}

/// A failed comparison in a rank's thread or process ends that rank with this message.
void require(bool holds, const char* what, std::int64_t count = -1) {
  if (!holds) throw std::runtime_error(what + (count < 0 ? "" : " (" + std::to_string(count) + " elements)"));
}

template <class T>
void check_all_reduce(Communicator& communicator, std::int64_t count) {
  HostStream stream;
  auto values = integers_of_rank<T>(count, communicator.rank());
  communicator.all_reduce(view_of(std::span(values)), stream);
  const int ranks = communicator.size();
  require(values == integers<T>(count, ranks * (ranks + 1) / 2), "all_reduce is wrong", count);
}

template <class T>
void check_all_gather(Communicator& communicator, std::int64_t count) {
  HostStream stream;
  auto values = integers_of_rank<T>(count, communicator.rank());
  std::vector<T> gathered(values.size() * static_cast<std::size_t>(communicator.size()));
  communicator.all_gather(view_of(std::span(values)), view_of(std::span(gathered)), stream);
  for (int rank = 0; rank < communicator.size(); ++rank) {
    const auto expected = integers_of_rank<T>(count, rank);
    require(std::equal(expected.begin(), expected.end(), gathered.begin() + rank * count),
            "all_gather is wrong", count);
  }
}

template <class T>
void check_broadcast(Communicator& communicator, std::int64_t count) {
  HostStream stream;
  // From every root where that is cheap.
  for (int root = count < kLargest ? 0 : communicator.size() - 1; root < communicator.size(); ++root) {
    auto values = integers_of_rank<T>(count, communicator.rank());
    communicator.broadcast(view_of(std::span(values)), root, stream);
    require(values == integers_of_rank<T>(count, root), "broadcast is wrong", count);
  }
}

/// Every rank sends to every other before it receives anything.
template <class T>
void check_messages(Communicator& communicator, std::int64_t count) {
  HostStream stream;
  auto values = integers_of_rank<T>(count, communicator.rank());
  for (int peer = 0; peer < communicator.size(); ++peer) {
    if (peer != communicator.rank()) communicator.send(view_of(std::span(values)), peer, stream);
  }
  std::fill(values.begin(), values.end(), T{0});  // the memory of a message may be reused at once
  for (int peer = 0; peer < communicator.size(); ++peer) {
    if (peer == communicator.rank()) continue;
    std::vector<T> received(values.size());
    communicator.recv(view_of(std::span(received)), peer, stream);
    require(received == integers_of_rank<T>(count, peer), "a message is wrong", count);
  }
}

template <class T>
void check_type(Communicator& communicator, std::int64_t count) {
  if constexpr (!std::is_same_v<T, std::uint8_t>) check_all_reduce<T>(communicator, count);
  check_all_gather<T>(communicator, count);
  check_broadcast<T>(communicator, count);
  check_messages<T>(communicator, count);
}

void check_everything(Communicator& communicator) {
  HostStream stream;
  for (const std::int64_t count : kSizes) {
    check_type<float>(communicator, count);
    check_type<double>(communicator, count);
    check_type<std::int32_t>(communicator, count);
    check_type<std::int64_t>(communicator, count);
    check_type<std::uint8_t>(communicator, count);
    communicator.barrier(stream);
  }
}

struct World {
  CommunicatorKind kind;
  int ranks;
};

std::string name_of(const testing::TestParamInfo<World>& info) {
  return to_string(info.param.kind) + "_" + std::to_string(info.param.ranks);
}

class CommunicatorTest : public testing::TestWithParam<World> {
 protected:
  void run(const RankFunction& function) {
    for (const std::string& error : run_ranks_as_threads(GetParam().kind, GetParam().ranks, function)) {
      EXPECT_EQ(error, "");
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Worlds, CommunicatorTest,
                         testing::Values(World{CommunicatorKind::threads, 1},
                                         World{CommunicatorKind::threads, 2},
                                         World{CommunicatorKind::threads, 3},
                                         World{CommunicatorKind::threads, 4},
                                         World{CommunicatorKind::gloo, 1}, World{CommunicatorKind::gloo, 2},
                                         World{CommunicatorKind::gloo, 3}, World{CommunicatorKind::gloo, 4}),
                         name_of);

TEST_P(CommunicatorTest, ComputesWhatArithmeticSays) {
  run([](std::unique_ptr<Communicator> communicator) { check_everything(*communicator); });
}

TEST_P(CommunicatorTest, KnowsItsPlace) {
  std::mutex mutex;
  std::vector<int> seen;
  run([&](std::unique_ptr<Communicator> communicator) {
    require(communicator->size() == GetParam().ranks, "wrong size");
    const std::lock_guard lock(mutex);
    seen.push_back(communicator->rank());
  });
  std::sort(seen.begin(), seen.end());
  for (int rank = 0; rank < GetParam().ranks; ++rank) EXPECT_EQ(seen[static_cast<std::size_t>(rank)], rank);
}

TEST_P(CommunicatorTest, MessagesKeepTheirOrderBetweenCollectives) {
  run([](std::unique_ptr<Communicator> communicator) {
    HostStream stream;
    const int ranks = communicator->size();
    const int rank = communicator->rank();
    const int next = (rank + 1) % ranks;
    const int previous = (rank + ranks - 1) % ranks;
    if (ranks == 1) return;
    // Sizes on both sides of what goes out at once, in an order that would overtake if anything could.
    const std::size_t sizes[] = {300000, 3, 0, 70000, 1, 200000, 5};
    for (int repeat = 0; repeat < 3; ++repeat) {
      for (std::size_t m = 0; m < std::size(sizes); ++m) {
        std::vector<std::int32_t> message(
            sizes[m], static_cast<std::int32_t>(100 * rank) + static_cast<std::int32_t>(m));
        communicator->send(view_of(std::span(message)), next, stream);
      }
      check_all_reduce<float>(*communicator, 1000);  // while messages are under way
      for (std::size_t m = 0; m < std::size(sizes); ++m) {
        std::vector<std::int32_t> message(sizes[m]);
        communicator->recv(view_of(std::span(message)), previous, stream);
        const auto expected = static_cast<std::int32_t>(100 * previous) + static_cast<std::int32_t>(m);
        require(std::all_of(message.begin(), message.end(),
                            [&](std::int32_t value) { return value == expected; }),
                "a message is out of order", static_cast<std::int64_t>(sizes[m]));
      }
    }
    communicator->barrier(stream);
  });
}

TEST_P(CommunicatorTest, LargeMessagesInARingDoNotWaitForEachOther) {
  run([](std::unique_ptr<Communicator> communicator) {
    HostStream stream;
    const int ranks = communicator->size();
    if (ranks == 1) return;
    std::vector<double> out(1 << 20, communicator->rank());
    std::vector<double> in(out.size());
    for (int repeat = 0; repeat < 3; ++repeat) {
      communicator->send(view_of(std::span(out)), (communicator->rank() + 1) % ranks, stream);
      communicator->send(view_of(std::span(out)), (communicator->rank() + 1) % ranks, stream);
    }
    for (int repeat = 0; repeat < 6; ++repeat) {
      communicator->recv(view_of(std::span(in)), (communicator->rank() + ranks - 1) % ranks, stream);
      require(in.front() == (communicator->rank() + ranks - 1) % ranks && in.back() == in.front(),
              "wrong message");
    }
    communicator->barrier(stream);
  });
}

/// Numbers of very different size, whose sum depends on the order of addition.
std::vector<float> real_numbers(std::int64_t count, int rank) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::uint32_t random = 12345U + static_cast<std::uint32_t>(rank);
  for (float& value : values) {
    random = random * 1664525U + 1013904223U;
    value = static_cast<float>(static_cast<std::int32_t>(random)) * static_cast<float>(1U << (random >> 28U));
  }
  return values;
}

/// ((x0 + x1) + x2) + ..., the promise of the contract.
std::vector<float> sum_in_rank_order(std::int64_t count, int ranks) {
  auto sum = real_numbers(count, 0);
  for (int rank = 1; rank < ranks; ++rank) {
    const auto values = real_numbers(count, rank);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
  }
  return sum;
}

TEST_P(CommunicatorTest, SumsOfRealNumbersAreTheSameBitsAlways) {
  for (int repeat = 0; repeat < 2; ++repeat) {
    run([&](std::unique_ptr<Communicator> communicator) {
      HostStream stream;
      for (const std::int64_t count : kSizes) {
        const auto expected = sum_in_rank_order(count, communicator->size());
        for (int again = 0; again < 2; ++again) {
          auto values = real_numbers(count, communicator->rank());
          communicator->all_reduce(view_of(std::span(values)), stream);
          const bool same = values.empty() ||
                            std::memcmp(values.data(), expected.data(), values.size() * sizeof(float)) == 0;
          require(same, "all_reduce is not the sum in rank order, bit by bit", count);
        }
      }
    });
  }
}

TEST(SumOrder, MattersForTheNumbersOfTheTest) {
  // Without this, the test above would pass for any order.
  auto backwards = real_numbers(1000, 2);
  for (const int rank : {1, 0}) {
    const auto values = real_numbers(1000, rank);
    for (std::size_t i = 0; i < backwards.size(); ++i) backwards[i] += values[i];
  }
  EXPECT_NE(backwards, sum_in_rank_order(1000, 3));
}

TEST(GlooProcesses, ComputeWhatArithmeticSays) {
  for (const int ranks : {2, 3}) {
    for (const ProcessResult& result : run_ranks_as_processes(
             ranks, [](std::unique_ptr<Communicator> communicator) { check_everything(*communicator); })) {
      EXPECT_EQ(result.error, "");
      EXPECT_EQ(result.exit_status, 0);
    }
  }
}

TEST(GlooProcesses, MessagesArriveThoughTheSenderIsGone) {
  const auto results = run_ranks_as_processes(2, [](std::unique_ptr<Communicator> communicator) {
    HostStream stream;
    std::vector<float> values(2 << 20, 7.0F);
    if (communicator->rank() == 0) {
      communicator->send(view_of(std::span(values)), 1, stream);
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    std::fill(values.begin(), values.end(), 0.0F);
    communicator->recv(view_of(std::span(values)), 0, stream);
    require(values.front() == 7.0F && values.back() == 7.0F, "the message is damaged");
  });
  for (const ProcessResult& result : results) EXPECT_EQ(result.error, "");
}

TEST(GlooCommunicators, TwoShareAStoreUnderTwoNames) {
  const TemporaryDirectory directory;
  std::vector<std::thread> ranks;
  std::vector<float> sums(2);
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      HostStream stream;
      const auto store = make_directory_store(directory.path());
      const auto one = make_gloo_communicator(*store, {.rank = rank, .size = 2, .name = "one"});
      const auto two = make_gloo_communicator(*store, {.rank = rank, .size = 2, .name = "two"});
      std::vector<float> values{static_cast<float>(rank + 1)};
      one->all_reduce(view_of(std::span(values)), stream);
      two->all_reduce(view_of(std::span(values)), stream);
      sums[static_cast<std::size_t>(rank)] = values[0];
    });
  }
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(sums, (std::vector<float>{6, 6}));
}

}  // namespace
}  // namespace dml::test
