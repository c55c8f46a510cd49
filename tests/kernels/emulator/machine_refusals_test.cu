// What would hang a GPU, or is undefined there, is an error of the emulated machine that says who did what,
// where: every rule of machine.h, device_words.h and runtime.h that ends a launch, broken once by a kernel of
// its own. Compiled without the checker's eyes, so that the machine has to see it by itself, as it does in a
// user's run.
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "kernels/cuda/ptx.h"

namespace dml::emulator {
namespace {

constexpr unsigned kThreads = 64;
constexpr unsigned kAllLanes = ~0U;

/// What a kernel may work with: global memory of 256 values that are 0, and no more than one block.
using Kernel = void (*)(unsigned* memory);

// ---- who waits for whom

void waits_at_a_barrier_that_nobody_joins(unsigned* /*memory*/) {
  if (threadIdx.x < 32) barrier_sync(3, kThreads);
}
void polls_what_nobody_changes(unsigned* memory) {
  while (load_acquire(memory) == 0) {
  }
}
void exits_before_syncthreads(unsigned* memory) {
  if (threadIdx.x == 0) {
    while (atomicAdd(memory, 0U) < kThreads - 1) {
    }
    return;
  }
  atomicAdd(memory, 1U);
  __syncthreads();
}
void comes_to_syncthreads_after_an_exit(unsigned* memory) {
  if (threadIdx.x == 0) return;
  while (atomicAdd(memory, 1U) < 1000U) {  // by then thread 0 is gone, in any order
  }
  __syncthreads();
}
void diverges_at_syncthreads(unsigned* /*memory*/) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

// ---- warps

void exits_before_its_warp(unsigned* /*memory*/) {
  if (threadIdx.x != 5) __syncwarp();
}
void waits_for_a_lane_that_has_exited(unsigned* memory) {
  if (threadIdx.x == 0) return;
  while (atomicAdd(memory, 1U) < 1000U) {
  }
  __syncwarp();
}
void is_not_in_its_own_mask(unsigned* /*memory*/) {
  __syncwarp(1U);
}
void names_lanes_beyond_the_block(unsigned* /*memory*/) {
  __syncwarp();  // of a block of 16 threads
}
void shuffles_in_two_places(unsigned* memory) {
  const unsigned value = threadIdx.x % 32;
  if (value < 16) {
    memory[threadIdx.x] = __shfl_xor_sync(kAllLanes, value, 1);
  } else {
    memory[threadIdx.x] = __shfl_xor_sync(kAllLanes, value, 1);
  }
}
void shuffles_by_two_masks(unsigned* memory) {
  const unsigned lane = threadIdx.x % 32;
  const unsigned mask = lane < 8 ? 0x0000ffffU : kAllLanes;
  memory[threadIdx.x] = __shfl_xor_sync(mask, lane, 1);
}
void shuffles_by_a_width_of_three(unsigned* memory) {
  memory[threadIdx.x] = __shfl_down_sync(kAllLanes, threadIdx.x, 1, 3);
}
void shuffles_from_outside_its_mask(unsigned* memory) {
  if (threadIdx.x < 16) memory[threadIdx.x] = __shfl_xor_sync(0x0000ffffU, threadIdx.x, 16);
}

// ---- named barriers

void uses_barrier_zero(unsigned* /*memory*/) {
  barrier_sync(0, kThreads);
}
void uses_barrier_sixteen(unsigned* /*memory*/) {
  barrier_arrive(16, kThreads);
}
void expects_half_a_warp(unsigned* /*memory*/) {
  barrier_sync(1, 48);
}
void expects_more_than_the_block(unsigned* /*memory*/) {
  barrier_sync(1, 96);
}
void expects_different_numbers(unsigned* /*memory*/) {
  barrier_sync(1, threadIdx.x < 32 ? 64 : 32);
}
void arrives_where_nobody_waits(unsigned* /*memory*/) {
  if (threadIdx.x < 32) barrier_arrive(1, kThreads);
}

// ---- shared memory

struct FortyEightKibibytes {
  unsigned values[12288];
};
struct OneMore {
  unsigned values[4];
};
void has_too_much_static_shared_memory(unsigned* /*memory*/) {
  shared_memory<FortyEightKibibytes>().values[threadIdx.x] = 0;
  shared_memory<OneMore>().values[0] = 0;
}
void has_too_much_of_both(unsigned* /*memory*/) {
  shared_memory<FortyEightKibibytes>().values[threadIdx.x] = 0;
}
void uses_dynamic_memory_that_it_was_not_given(unsigned* /*memory*/) {
  dynamic_shared_memory<unsigned>()[threadIdx.x] = 0;
}

// ---- copies

struct alignas(16) Copied {
  unsigned values[64];
};
void copies_to_an_odd_address(unsigned* memory) {
  copy_async_16(&shared_memory<Copied>().values[1], memory);
}
void copies_from_an_odd_address(unsigned* memory) {
  copy_async_16(&shared_memory<Copied>().values[0], memory + 1);
}
void exits_with_a_copy_on_its_way(unsigned* memory) {
  if (threadIdx.x == 0) copy_async_16(&shared_memory<Copied>().values[0], memory);
}
void changes_what_is_being_copied(unsigned* memory) {
  if (threadIdx.x != 0) return;
  copy_async_16(&shared_memory<Copied>().values[0], memory);
  copy_async_commit();
  memory[0] = 7;
  copy_async_wait<0>();
}

void launches_a_kernel(unsigned* /*memory*/) {
  Grid grid;
  run(grid);
}

// ---- running them

struct Broken {
  std::string name;
  Kernel kernel;
  std::string says;  ///< in the error
  unsigned threads = kThreads;
  std::size_t dynamic_bytes = 0;
};

const std::vector<Broken>& broken() {
  static const std::vector<Broken> cases = {
      {"waits_at_a_barrier_that_nobody_joins", waits_at_a_barrier_that_nobody_joins,
       "deadlock: block (0,0,0) thread (0,0,0) at barrier_sync machine_refusals_test.cu:"},
      {"polls_what_nobody_changes", polls_what_nobody_changes,
       "deadlock, every thread that could run polls: block (0,0,0) thread (0,0,0) at atomic"},
      {"exits_before_syncthreads", exits_before_syncthreads, "thread (0,0,0) exited while others wait: "},
      {"comes_to_syncthreads_after_an_exit", comes_to_syncthreads_after_an_exit,
       ", but 1 thread(s) of the block have exited"},
      {"diverges_at_syncthreads", diverges_at_syncthreads, "divergent __syncthreads: "},
      {"exits_before_its_warp", exits_before_its_warp,
       "thread (5,0,0) exited while lanes of its warp wait for it at "},
      {"waits_for_a_lane_that_has_exited", waits_for_a_lane_that_has_exited,
       "waits for lane 0, which has exited"},
      {"is_not_in_its_own_mask", is_not_in_its_own_mask, "the calling lane is not in the mask"},
      {"names_lanes_beyond_the_block", names_lanes_beyond_the_block, "the mask names lanes beyond the block",
       16},
      {"shuffles_in_two_places", shuffles_in_two_places, "(another mask or place)"},
      {"shuffles_by_two_masks", shuffles_by_two_masks, "(another mask or place)"},
      {"shuffles_by_a_width_of_three", shuffles_by_a_width_of_three, "shuffle of width 3"},
      {"shuffles_from_outside_its_mask", shuffles_from_outside_its_mask, "outside its mask"},
      {"uses_barrier_zero", uses_barrier_zero, "named barriers are 1..15"},
      {"uses_barrier_sixteen", uses_barrier_sixteen, "named barriers are 1..15"},
      {"expects_half_a_warp", expects_half_a_warp, "a named barrier takes whole warps of the block"},
      {"expects_more_than_the_block", expects_more_than_the_block,
       "a named barrier takes whole warps of the block"},
      {"expects_different_numbers", expects_different_numbers, " expects "},
      {"arrives_where_nobody_waits", arrives_where_nobody_waits,
       "arrivals at a named barrier that nobody waited for"},
      {"has_too_much_static_shared_memory", has_too_much_static_shared_memory,
       "too much shared memory: 49168 bytes static and 0 dynamic"},
      {"has_too_much_of_both", has_too_much_of_both,
       "too much shared memory: 49152 bytes static and 183297 dynamic", kThreads, (179U << 10U) + 1},
      {"uses_dynamic_memory_that_it_was_not_given", uses_dynamic_memory_that_it_was_not_given,
       "uses dynamic shared memory, but the launch gives none"},
      {"copies_to_an_odd_address", copies_to_an_odd_address, "a cp.async address is not 16-byte aligned"},
      {"copies_from_an_odd_address", copies_from_an_odd_address, "a cp.async address is not 16-byte aligned"},
      {"exits_with_a_copy_on_its_way", exits_with_a_copy_on_its_way,
       "exited with cp.async copies that it did not wait for"},
      {"changes_what_is_being_copied", changes_what_is_being_copied,
       "the source of a cp.async changed during the copy"},
      {"launches_a_kernel", launches_a_kernel, "launched from inside a kernel"},
  };
  return cases;
}

/// The error of a launch on a device of its own; empty when there was none.
std::string error_of(Kernel kernel, const LaunchShape& shape, std::uint64_t seed) {
  Device device({.id = 0, .seed = seed});
  DeviceStream stream(device);
  const DeviceMemory memory(device, 256 * sizeof(unsigned), "the memory");
  stream.clear({memory.data(), 256, DType::i32, Memory::device});
  launch("broken", kernel, shape, stream, static_cast<unsigned*>(memory.data()));
  try {
    stream.synchronize();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return {};
}

class BrokenKernel : public testing::TestWithParam<Broken> {};

TEST_P(BrokenKernel, IsRefusedInEveryOrder) {
  const Broken& broken = GetParam();
  const LaunchShape shape{.blocks = {1}, .threads = {broken.threads}, .shared_bytes = broken.dynamic_bytes};
  for (const std::uint64_t seed : {0, 1, 2, 3}) {
    const std::string error = error_of(broken.kernel, shape, seed);
    EXPECT_TRUE(error.starts_with("kernel broken: ")) << "order " << seed << ": " << error;
    EXPECT_NE(error.find(broken.says), std::string::npos) << "order " << seed << ": " << error;
  }
}

INSTANTIATE_TEST_SUITE_P(Machine, BrokenKernel, testing::ValuesIn(broken()),
                         [](const testing::TestParamInfo<Broken>& p) { return p.param.name; });

// ---- stores a little outside of memory: the red zones see them

void writes_behind_global_memory(unsigned* memory) {
  if (threadIdx.x == 0) memory[256 + 3] = 1;
}
void writes_before_global_memory(unsigned* memory) {
  if (threadIdx.x == 0) memory[-1] = 1;
}
struct Few {
  unsigned values[8];
};
void writes_behind_shared_memory(unsigned* /*memory*/) {
  volatile unsigned* const values = shared_memory<Few>().values;
  if (threadIdx.x == 0) values[8] = 1;
}
void writes_before_shared_memory(unsigned* /*memory*/) {
  volatile unsigned* const values = shared_memory<Few>().values;
  if (threadIdx.x == 0) values[-1] = 1;
}

class RedZone : public testing::TestWithParam<Broken> {};

TEST_P(RedZone, SeesAStore) {
  const LaunchShape shape{.blocks = {1}, .threads = {kThreads}};
#if defined(__SANITIZE_ADDRESS__)
  EXPECT_DEATH(static_cast<void>(error_of(GetParam().kernel, shape, 0)), "heap-buffer-overflow");
#else
  EXPECT_NE(error_of(GetParam().kernel, shape, 0).find(GetParam().says), std::string::npos);
#endif
}

INSTANTIATE_TEST_SUITE_P(
    Machine, RedZone,
    testing::Values(Broken{"behind_global_memory", writes_behind_global_memory,
                           "kernel broken wrote outside of the 1024 bytes of the memory"},
                    Broken{"before_global_memory", writes_before_global_memory,
                           "kernel broken wrote outside of the 1024 bytes of the memory"},
                    Broken{"behind_shared_memory", writes_behind_shared_memory,
                           "wrote outside of its 32 bytes of shared memory"},
                    Broken{"before_shared_memory", writes_before_shared_memory,
                           "wrote outside of its 32 bytes of shared memory"}),
    [](const testing::TestParamInfo<Broken>& p) { return p.param.name; });

// ---- streams

TEST(StreamRefusals, AnEventThatNobodyRecords) {
  Device device({});
  DeviceStream stream(device);
  Event event(device);
  const Graph never_launched(stream, [&] { event.record(stream); });
  stream.wait(event);
  try {
    stream.synchronize();
    ADD_FAILURE() << "the wait was over";
  } catch (const DeviceError& error) {
    EXPECT_STREQ(error.what(), "deadlock: every stream waits for an event that nobody records");
  }
}

TEST(StreamRefusals, AHostThatWaitsForWhatIsBeingRecorded) {
  Device device({});
  DeviceStream stream(device);
  try {
    const Graph graph(stream, [&] { stream.synchronize(); });
    ADD_FAILURE() << "the host did not wait";
  } catch (const DeviceError& error) {
    EXPECT_STREQ(error.what(), "the host waits for a stream that is being recorded");
  }
}

// ---- what runs when

void add_one(float* y) {
  y[threadIdx.x] += 1;
}
void twice(float* y) {
  y[threadIdx.x] *= 2;
}

/// (3 + 1) * 2 on two streams, with the wait between them or without.
float on_two_streams(std::uint64_t seed, bool waits) {
  Device device({.id = 0, .seed = seed});
  DeviceStream first(device);
  DeviceStream second(device);
  const DeviceMemory memory(device, kThreads * sizeof(float), "the values");
  auto* const values = static_cast<float*>(memory.data());
  const View view{values, kThreads, DType::f32, Memory::device};
  std::vector<float> host(kThreads, 3);
  first.copy(view_of(std::span(host)), view);
  first.synchronize();
  Event added(device);
  launch("add_one", add_one, {.blocks = {1}, .threads = {kThreads}}, first, values);
  added.record(first);
  if (waits) second.wait(added);
  launch("twice", twice, {.blocks = {1}, .threads = {kThreads}}, second, values);
  first.synchronize();
  second.copy(view, view_of(std::span(host)));
  second.synchronize();
  return host.front();
}

/// Nobody looks at accesses here: what shows is what comes out, in half of the orders. That a wait is missing
/// is seen in every order by the checker (planted_bugs_test.cu).
TEST(Streams, AMissingWaitShowsInHalfOfTheOrders) {
  int wrong = 0;
  for (std::uint64_t seed = 1; seed <= 64; ++seed) {
    EXPECT_EQ(on_two_streams(seed, true), 8) << "order " << seed;
    if (on_two_streams(seed, false) != 8) ++wrong;
  }
  EXPECT_GE(wrong, 16);
  EXPECT_LE(wrong, 48);
}

}  // namespace
}  // namespace dml::emulator
