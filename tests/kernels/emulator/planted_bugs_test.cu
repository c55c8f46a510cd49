// Kernels with one mistake each, and the same kernels without it: the emulator, with the checker's eyes, has
// to tell them apart in every order of threads and blocks. Each mistake is one that a GPU forgives most of
// the time.
#include <cmath>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "kernels/cuda/ptx.h"
#include "kernels/emulator/checker.h"

namespace dml::emulator {
namespace {

constexpr int kThreads = 64;
constexpr int kBlocks = 4;
constexpr int kValues = kThreads * kBlocks;

struct Tile {
  float values[kThreads];
};

// ---- the kernels; kBug plants the mistake

/// y = x in reverse, block by block.
template <bool kBug>
void reverse_without_barrier(const float* x, float* y) {
  Tile& tile = shared_memory<Tile>();
  const unsigned t = threadIdx.x;
  tile.values[t] = x[blockIdx.x * kThreads + t];
  if (!kBug) __syncthreads();
  y[blockIdx.x * kThreads + t] = tile.values[kThreads - 1 - t];
}

/// Neighbours within a warp.
template <bool kBug>
void exchange_without_warp_barrier(const float* x, float* y) {
  Tile& tile = shared_memory<Tile>();
  const unsigned t = threadIdx.x;
  tile.values[t] = x[blockIdx.x * kThreads + t];
  if (!kBug) __syncwarp();
  y[blockIdx.x * kThreads + t] = tile.values[t ^ 1U];
}

template <bool kBug>
void barrier_in_two_places(const float* x, float* y) {
  Tile& tile = shared_memory<Tile>();
  const unsigned t = threadIdx.x;
  tile.values[t] = x[blockIdx.x * kThreads + t];
  if (kBug && t < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[blockIdx.x * kThreads + t] = tile.values[kThreads - 1 - t];
}

template <bool kBug>
void return_before_barrier(const float* x, float* y) {
  if (kBug && threadIdx.x == 7) return;
  reverse_without_barrier<false>(x, y);
}

template <bool kBug>
void one_past_the_end(const float* x, float* y) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  y[i] = x[i + (kBug ? 1 : 0)];
}

template <bool kBug>
void below_the_start(const float* x, float* y) {
  const int i = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  y[i - (kBug ? 3 : 0)] = x[i];
}

template <bool kBug>
void past_shared_memory(const float* x, float* y) {
  Tile& tile = shared_memory<Tile>();
  const unsigned t = threadIdx.x;
  tile.values[t + (kBug ? 1 : 0)] = x[t];
  __syncthreads();
  y[blockIdx.x * kThreads + t] = kBug ? 0 : tile.values[t];
}

template <bool kBug>
void unwritten_shared_memory(const float* x, float* y) {
  Tile& tile = shared_memory<Tile>();
  const unsigned t = threadIdx.x;
  if (!kBug || t != 5) tile.values[t] = x[t];
  __syncthreads();
  y[blockIdx.x * kThreads + t] = tile.values[kThreads - 1 - t];
}

template <bool kBug>
void unwritten_device_memory(const float* x, float* y) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  y[i] = kBug ? y[i] + x[i] : x[i];
}

template <bool kBug>
void same_store_in_a_block(const float* x, float* y) {
  if (blockIdx.x == 0 && (kBug || threadIdx.x == 0)) y[0] = x[0];
}

template <bool kBug>
void same_store_in_every_block(const float* x, float* y) {
  if (threadIdx.x == 0 && (kBug || blockIdx.x == 0)) y[0] = x[0];
}

/// Reads what another block writes.
template <bool kBug>
void neighbour_block_in_place(const float* x, float* y) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  y[i] = x[i];
  __syncthreads();
  const float neighbour = kBug ? y[(i + kThreads) % kValues] : x[(i + kThreads) % kValues];
  if (neighbour < 0) y[i] = 0;
}

struct GridBarrier {
  unsigned arrived, generation;
};

template <bool kFence>
void grid_barrier(GridBarrier* barrier) {
  __syncthreads();  // the block's accesses come before thread 0's fence
  if (threadIdx.x == 0) {
    const unsigned generation = load_acquire(&barrier->generation);
    if (kFence) __threadfence();
    if (atomicAdd(&barrier->arrived, 1U) == gridDim.x - 1) {
      atomicExch(&barrier->arrived, 0U);
      if (kFence) __threadfence();  // also acquires what the others published with `arrived`
      atomicAdd(&barrier->generation, 1U);
    } else {
      while (load_acquire(&barrier->generation) == generation) {
      }
    }
  }
  __syncthreads();
}

/// kBarrier false: no barrier at all; kFence false: one without fences.
template <bool kBarrier, bool kFence>
void rotate_blocks(const float* x, float* y, float* z, GridBarrier* barrier) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  y[i] = x[i];
  if (kBarrier) grid_barrier<kFence>(barrier);
  z[i] = y[(i + kThreads) % kValues];
}

enum class Fence { none, block, too_early, gpu };

/// The last block to finish adds up what the others left.
template <Fence kFence>
void last_block_sums(const float* x, float* parts, float* total, unsigned* tickets) {
  struct Last {
    unsigned value;
  };
  Last& last = shared_memory<Last>();
  if (threadIdx.x == 0) {
    float sum = 0;
    for (int i = 0; i < kThreads; ++i) sum += x[blockIdx.x * kThreads + static_cast<unsigned>(i)];
    if (kFence == Fence::too_early) __threadfence();
    parts[blockIdx.x] = sum;
    if (kFence == Fence::gpu) __threadfence();
    if (kFence == Fence::block) __threadfence_block();
    last.value = atomicAdd(tickets, 1U) == gridDim.x - 1 ? 1 : 0;
    if (kFence != Fence::none) __threadfence();
  }
  __syncthreads();
  if (last.value == 0 || threadIdx.x > 0) return;
  float sum = 0;
  for (int block = 0; block < kBlocks; ++block) sum += parts[block];
  *total = sum;
}

template <bool kBug>
void locked_count(int* lock, float* count) {
  if (threadIdx.x != 0) return;
  while (atomicCAS(lock, 0, 1) != 0) {
  }
  if (!kBug) __threadfence();
  *count += 1;
  if (!kBug) __threadfence();
  atomicExch(lock, 0);
}

/// Warp 0 writes, warp 1 reads; barrier 1 is for both.
template <bool kBug>
void named_barrier_of_too_few(const float* x, float* y) {
  Tile& tile = shared_memory<Tile>();
  const unsigned t = threadIdx.x;
  if (t < 32) {
    tile.values[t] = x[t];
    barrier_arrive(1, kThreads);
  } else {
    barrier_sync(1, kBug ? 32 : kThreads);
    y[blockIdx.x * 32 + t - 32] = tile.values[63 - t];
  }
}

struct alignas(16) AlignedTile {
  float values[kThreads * 4];
};

template <bool kBug>
void copy_not_waited_for(const float* x, float* y) {
  AlignedTile& tile = shared_memory<AlignedTile>();
  const unsigned t = threadIdx.x;
  copy_async_16(&tile.values[t * 4], x + t * 4);
  copy_async_commit();
  if (!kBug) copy_async_wait<0>();
  __syncthreads();
  y[blockIdx.x * kThreads + t] = tile.values[t * 4 + 1];
  if (kBug) copy_async_wait<0>();
}

// ---- running them

/// Device memory with values from the host.
class Values {
 public:
  Values(Device& device, DeviceStream& stream, const std::vector<float>& values)
      : memory_(device, values.size() * sizeof(float), "the values"), host_(values) {
    stream.copy(view_of(std::span(host_)), view());
    stream.synchronize();
  }
  [[nodiscard]] View view() const {
    return {memory_.data(), static_cast<std::int64_t>(host_.size()), DType::f32, Memory::device};
  }
  template <class T = float>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(memory_.data());
  }

 private:
  DeviceMemory memory_;
  std::vector<float> host_;
};

std::vector<float> ramp() {
  std::vector<float> values(kValues);
  for (int i = 0; i < kValues; ++i) values[static_cast<std::size_t>(i)] = static_cast<float>(i + 1);
  return values;
}

/// What a kernel may work with.
struct Bench {
  Device& device;
  DeviceStream& stream;
  const Values& x;
  const DeviceMemory& y;  ///< never written
  [[nodiscard]] float* out() const { return static_cast<float*>(y.data()); }
};

using Run = void (*)(const Bench&);

template <auto kKernel>
void plain(const Bench& bench) {
  launch("planted", kKernel, {.blocks = {kBlocks}, .threads = {kThreads}}, bench.stream, bench.x.as(),
         bench.out());
}

template <bool kBarrier, bool kFence>
void rotate(const Bench& bench) {
  const Values barrier(bench.device, bench.stream, {0, 0});
  const DeviceMemory z(bench.device, kValues * sizeof(float), "z");
  launch_cooperative("planted", rotate_blocks<kBarrier, kFence>, {.blocks = {kBlocks}, .threads = {kThreads}},
                     bench.stream, bench.x.as(), bench.out(), static_cast<float*>(z.data()),
                     barrier.as<GridBarrier>());
  bench.stream.synchronize();
}

template <Fence kFence>
void last_block(const Bench& bench) {
  const Values tickets(bench.device, bench.stream, {0});
  const DeviceMemory total(bench.device, sizeof(float), "the total");
  launch("planted", last_block_sums<kFence>, {.blocks = {kBlocks}, .threads = {kThreads}}, bench.stream,
         bench.x.as(), bench.out(), static_cast<float*>(total.data()), tickets.as<unsigned>());
  bench.stream.synchronize();
}

template <bool kBug>
void locked(const Bench& bench) {
  const Values lock(bench.device, bench.stream, {0});
  const Values count(bench.device, bench.stream, {0});
  launch("planted", locked_count<kBug>, {.blocks = {kBlocks}, .threads = {kThreads}}, bench.stream,
         lock.as<int>(), count.as());
  bench.stream.synchronize();
}

void add_one(float* y) {
  y[blockIdx.x * kThreads + threadIdx.x] += 1;
}
void twice(float* y) {
  y[blockIdx.x * kThreads + threadIdx.x] *= 2;
}

enum class Order { none, event, event_too_early, host };

/// Two kernels on two streams change the same values.
template <Order kOrder>
void two_streams(const Bench& bench) {
  DeviceStream other(bench.device);
  Event added(bench.device);
  const LaunchShape shape{.blocks = {kBlocks}, .threads = {kThreads}};
  if (kOrder == Order::event_too_early) added.record(bench.stream);
  launch("add_one", add_one, shape, bench.stream, bench.x.as());
  if (kOrder == Order::event) added.record(bench.stream);
  if (kOrder == Order::host) bench.stream.synchronize();
  if (kOrder == Order::event || kOrder == Order::event_too_early) other.wait(added);
  launch("twice", twice, shape, other, bench.x.as());
  bench.stream.synchronize();
  other.synchronize();
}

/// One stream's result is copied away by another, and its input is replaced by a third.
template <Order kOrder, bool kReplaces>
void copied_by_another_stream(const Bench& bench) {
  DeviceStream other(bench.device);
  Event copied(bench.device);
  std::vector<float> host(kValues, 1);
  const View values = bench.x.view(), place = view_of(std::span(host));
  launch("planted", reverse_without_barrier<false>, {.blocks = {kBlocks}, .threads = {kThreads}},
         bench.stream, bench.x.as(), bench.out());
  if (kOrder == Order::event) {
    copied.record(bench.stream);
    other.wait(copied);
  }
  if (kReplaces) {
    other.copy(place, values);
  } else {
    other.copy({bench.out(), kValues, DType::f32, Memory::device}, place);
  }
  other.synchronize();
  bench.stream.synchronize();
}

struct Planted {
  std::string name;
  Run healthy, bug;
  std::string says;  ///< in the error
};

const std::vector<Planted>& planted() {
  static const std::vector<Planted> cases = {
      {"missing_block_barrier", plain<reverse_without_barrier<false>>, plain<reverse_without_barrier<true>>,
       ""},
      {"missing_warp_barrier", plain<exchange_without_warp_barrier<false>>,
       plain<exchange_without_warp_barrier<true>>, ""},
      {"divergent_barrier", plain<barrier_in_two_places<false>>, plain<barrier_in_two_places<true>>,
       "divergent __syncthreads"},
      {"early_return", plain<return_before_barrier<false>>, plain<return_before_barrier<true>>, "exited"},
      {"one_past_the_end", plain<one_past_the_end<false>>, plain<one_past_the_end<true>>,
       "offset 1024 of the values"},
      {"below_the_start", plain<below_the_start<false>>, plain<below_the_start<true>>, "offset -"},
      {"past_shared_memory", plain<past_shared_memory<false>>, plain<past_shared_memory<true>>,
       "shared memory"},
      {"unwritten_shared_memory", plain<unwritten_shared_memory<false>>, plain<unwritten_shared_memory<true>>,
       "nothing has written"},
      {"unwritten_device_memory", plain<unwritten_device_memory<false>>, plain<unwritten_device_memory<true>>,
       "nothing has written"},
      {"same_store_in_a_block", plain<same_store_in_a_block<false>>, plain<same_store_in_a_block<true>>,
       "race"},
      {"same_store_in_every_block", plain<same_store_in_every_block<false>>,
       plain<same_store_in_every_block<true>>, "race"},
      {"neighbour_block_in_place", plain<neighbour_block_in_place<false>>,
       plain<neighbour_block_in_place<true>>, ""},
      {"missing_grid_barrier", rotate<true, true>, rotate<false, true>, ""},
      {"grid_barrier_without_fence", rotate<true, true>, rotate<true, false>, "race"},
      {"last_block_without_fence", last_block<Fence::gpu>, last_block<Fence::none>, "race"},
      {"last_block_with_block_fence", last_block<Fence::gpu>, last_block<Fence::block>, "race"},
      {"last_block_fence_too_early", last_block<Fence::gpu>, last_block<Fence::too_early>, "race"},
      {"lock_without_fence", locked<false>, locked<true>, "race"},
      {"named_barrier_of_too_few", plain<named_barrier_of_too_few<false>>,
       plain<named_barrier_of_too_few<true>>, ""},
      {"missing_event_wait", two_streams<Order::event>, two_streams<Order::none>,
       "with neither an event nor the host in between"},
      {"event_recorded_too_early", two_streams<Order::host>, two_streams<Order::event_too_early>,
       "with neither an event nor the host in between"},
      {"result_copied_too_early", copied_by_another_stream<Order::event, false>,
       copied_by_another_stream<Order::none, false>, "of the results, which stream"},
      {"input_replaced_too_early", copied_by_another_stream<Order::event, true>,
       copied_by_another_stream<Order::none, true>, "of the values, which stream"},
      {"copy_not_waited_for", plain<copy_not_waited_for<false>>, plain<copy_not_waited_for<true>>, ""},
  };
  return cases;
}

/// The error of a run, empty when it went well.
std::string error_of(Run run, std::uint64_t seed, unsigned resident_blocks) {
  check_all_launches();
  Device device({.id = 0, .seed = seed});
  device.machine().resident_blocks = resident_blocks;
  try {
    DeviceStream stream(device);
    const Values x(device, stream, ramp());
    const DeviceMemory y(device, kValues * sizeof(float), "the results");
    run({device, stream, x, y});
    stream.synchronize();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return {};
}

class PlantedBug : public testing::TestWithParam<Planted> {};

TEST_P(PlantedBug, IsCaughtInEveryOrder) {
  for (const std::uint64_t seed : {0, 1, 2, 3, 4, 5}) {
    for (const unsigned resident : {1U, 4U}) {
      const std::string error = error_of(GetParam().bug, seed, resident);
      EXPECT_FALSE(error.empty()) << "order " << seed << ", " << resident << " blocks at once";
      EXPECT_NE(error.find(GetParam().says), std::string::npos) << error;
    }
  }
}

TEST_P(PlantedBug, HasAHealthyTwinThatIsNotReported) {
  for (const std::uint64_t seed : {0, 1, 2, 3, 4, 5}) {
    for (const unsigned resident : {1U, 4U}) {
      EXPECT_EQ(error_of(GetParam().healthy, seed, resident), "") << "order " << seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, PlantedBug, testing::ValuesIn(planted()),
                         [](const testing::TestParamInfo<Planted>& p) { return p.param.name; });

// ---- streams

TEST(Streams, ACopyThatNobodyWaitedForIsNotThere) {
  Device device({});
  DeviceStream stream(device);
  const Values x(device, stream, ramp());
  const PinnedMemory host(device, kValues * sizeof(float), "the result");
  const auto* const result = static_cast<const float*>(host.data());
  stream.copy(x.view(), {host.data(), kValues, DType::f32});
  EXPECT_TRUE(std::isnan(result[0])) << "the copy ran before anybody waited";
  stream.synchronize();
  EXPECT_EQ(result[0], 1);
}

TEST(Streams, AFailureIsForGood) {
  Device device({});
  DeviceStream stream(device);
  const Values x(device, stream, ramp());
  launch("add_one", add_one, {.blocks = {2 * kBlocks}, .threads = {kThreads}}, stream, x.as());
  EXPECT_THROW(stream.synchronize(), DeviceError);
  try {
    stream.synchronize();
    ADD_FAILURE() << "the device came back";
  } catch (const DeviceError& error) {
    EXPECT_NE(std::string(error.what()).find("the device was lost"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace dml::emulator
