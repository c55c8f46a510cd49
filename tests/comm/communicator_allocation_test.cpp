// A training step allocates nothing: neither do the operations of the Gloo communicator once they have run.
#include <atomic>
#include <cstdlib>
#include <gtest/gtest.h>
#include <new>

#include "tests/comm/ranks.h"

namespace {
std::atomic<long> allocations{0};  // of the whole program, Gloo included
}  // namespace

// g++ inlines one of the pair below, not the other, and takes free() for the wrong partner of new.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes != 0 ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
  std::free(memory);
}

namespace dml::test {
namespace {

TEST(GlooCommunicator, AllocatesNothingOnceItRuns) {
  constexpr int kRanks = 3;
  constexpr std::size_t kElements = 51904;
  std::atomic<long> during{-1};
  const auto errors =
      run_ranks_as_threads(CommunicatorKind::gloo, kRanks, [&](std::unique_ptr<Communicator> communicator) {
        HostStream stream;
        std::vector<float> values(kElements);
        std::vector<float> gathered(kElements * kRanks);
        const View view = view_of(std::span(values));
        const int next = (communicator->rank() + 1) % kRanks;
        const int previous = (communicator->rank() + kRanks - 1) % kRanks;
        const auto step = [&] {
          communicator->all_reduce(view, stream);
          communicator->all_reduce(view.slice(0, 100), stream);
          communicator->all_gather(view, view_of(std::span(gathered)), stream);
          communicator->broadcast(view, 1, stream);
          communicator->send(view.slice(0, 12800), next, stream);
          communicator->recv(view.slice(0, 12800), previous, stream);
          communicator->barrier(stream);
        };
        for (int warm_up = 0; warm_up < 3; ++warm_up) step();
        communicator->barrier(stream);
        const long before = allocations;
        communicator->barrier(stream);
        for (int i = 0; i < 20; ++i) step();
        communicator->barrier(stream);
        if (communicator->rank() == 0) during = allocations - before;
        communicator->barrier(stream);
      });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  EXPECT_EQ(during, 0);
  EXPECT_GT(allocations, 100) << "allocations are not being counted";
}

}  // namespace
}  // namespace dml::test
