// What CUDA C++ has no words for, in PTX, with the emulator's twin of each beside it: memory order, named
// barriers, asynchronous copies, the clock.
#pragma once

#if defined(DML_EMULATOR)
#include <chrono>
#endif
#include <cstdint>

#include "kernels/cuda/device.h"

namespace dml::DML_DEVICE {

#if defined(DML_EMULATOR)

/// A load that what follows it comes after, across the device; pairs with store_release() or fence and
/// atomic.
inline unsigned load_acquire(const unsigned* address, DML_HERE) {
  const InMachine machine;
  atomic_begins(here);
  const unsigned value = *address;
  atomic_ends(address, false, value, true, here);
  observe_acquire(address);
  return value;
}
/// A store that what comes before it happens before.
inline void store_release(unsigned* address, unsigned value, DML_HERE) {
  const InMachine machine;
  atomic_begins(here);
  observe_release(address);
  *address = value;
  atomic_ends(address, true, value, false, here);
}

/// Waits at barrier `id` (1..15) until `threads` threads, a multiple of 32, have arrived or wait.
inline void barrier_sync(int id, int threads, DML_HERE) {
  named_barrier(id, threads, true, "barrier_sync", here);
}
/// Arrives there without waiting.
inline void barrier_arrive(int id, int threads, DML_HERE) {
  named_barrier(id, threads, false, "barrier_arrive", here);
}

/// Copies 16 bytes from global to shared memory, some time before the wait for its group; both 16-byte
/// aligned.
inline void copy_async_16(void* shared, const void* global, DML_HERE) {
  async_copy(shared, global, here);
}
inline void copy_async_commit() {
  async_commit();
}
/// Waits until at most `kGroups` of this thread's groups are still on their way.
template <int kGroups>
void copy_async_wait() {
  async_wait(kGroups);
}

/// Goes on through everything a stream does. Its resolution is the GPU's affair: 32 ns to 1 us.
inline std::int64_t device_nanoseconds() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

#else

__device__ __forceinline__ unsigned load_acquire(const unsigned* address) {
  unsigned value;
  asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
  return value;
}
__device__ __forceinline__ void store_release(unsigned* address, unsigned value) {
  asm volatile("st.release.gpu.u32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
}

__device__ __forceinline__ void barrier_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

__device__ __forceinline__ void copy_async_16(void* shared, const void* global) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(global) : "memory");
}
__device__ __forceinline__ void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kGroups>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

__device__ __forceinline__ std::int64_t device_nanoseconds() {
  std::int64_t nanoseconds;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(nanoseconds)::"memory");
  return nanoseconds;
}

#endif

}  // namespace dml::DML_DEVICE
