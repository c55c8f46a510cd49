// Arrays in groups of four floats: 16-byte accesses wherever an array's address allows them.
//
// A range of the arena begins at any element, and the arrays that one kernel walks through together may lie
// at different distances from a 16-byte boundary (Adam's second moment does whenever the number of parameters
// is no multiple of four). So the range is split for one of them, the lead: up to three elements before its
// first boundary, whole groups, up to three elements behind. Thread i < groups takes group i, the threads
// after it one of the odd elements each. In a group an array that is not aligned as the lead is takes four
// 4-byte accesses; which of the two it is, is the same for all threads.
#pragma once

#include "kernels/cuda/device.h"

namespace dml::DML_DEVICE {

inline constexpr int kGroup = 4;
inline constexpr int kPointwiseThreads = 256;

/// How `elements` consecutive floats are handed to threads.
struct GroupSplit {
  std::int64_t elements = 0;
  int head = 0;              ///< elements before the first group
  std::int64_t groups = 0;   ///< of four elements
  std::int64_t threads = 0;  ///< groups, and one more for each odd element
};

/// The split that aligns the groups of `lead`; the same for every address with the same last four bits.
inline GroupSplit split_into_groups(const float* lead, std::int64_t elements) {
  constexpr std::uintptr_t kGroupBytes = kGroup * sizeof(float);
  const std::uintptr_t past = reinterpret_cast<std::uintptr_t>(lead) % kGroupBytes / sizeof(float);
  GroupSplit split;
  split.elements = elements;
  split.head = static_cast<int>((kGroup - past) % kGroup);
  if (split.head > elements) split.head = static_cast<int>(elements);
  split.groups = (elements - split.head) / kGroup;
  split.threads = split.groups + (elements - split.groups * kGroup);
  return split;
}

/// One dimension of blocks with a thread each for `threads`, at least one of them.
inline LaunchShape pointwise_launch(std::int64_t threads) {
  const std::int64_t blocks = (threads + kPointwiseThreads - 1) / kPointwiseThreads;
  DML_ASSERT(threads > 0 && blocks < (std::int64_t{1} << 31U),
             "a pointwise launch over " + std::to_string(threads) + " threads");
  return {.blocks = {static_cast<unsigned>(blocks)}, .threads = {kPointwiseThreads}};
}

/// The thread's number in a launch of pointwise_launch(); may be past the last one that is needed.
__device__ __forceinline__ std::int64_t pointwise_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * kPointwiseThreads + threadIdx.x;
}

/// The odd element of thread `thread` >= groups: the head's first, then the tail's.
__device__ __forceinline__ std::int64_t odd_element(const GroupSplit& split, std::int64_t thread) {
  const std::int64_t odd = thread - split.groups;
  return odd < split.head ? odd : odd + split.groups * kGroup;
}

__device__ __forceinline__ bool is_group_aligned(const float* address) {
  return reinterpret_cast<std::uintptr_t>(address) % (kGroup * sizeof(float)) == 0;
}

/// address[0..3].
__device__ __forceinline__ float4 load_group(const float* address) {
  if (is_group_aligned(address)) return *reinterpret_cast<const float4*>(address);
  return make_float4(address[0], address[1], address[2], address[3]);
}

__device__ __forceinline__ void store_group(float* address, float4 values) {
  if (is_group_aligned(address)) {
    *reinterpret_cast<float4*>(address) = values;
    return;
  }
  address[0] = values.x;
  address[1] = values.y;
  address[2] = values.z;
  address[3] = values.w;
}

}  // namespace dml::DML_DEVICE
