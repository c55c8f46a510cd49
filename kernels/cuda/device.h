// What every kernel file includes: CUDA's own words, from nvcc or from the emulator, and the few of ours.
//
// The same kernel sources are compiled twice: by nvcc into namespace dml::cuda, for a GPU, and by the host
// compiler with DML_EMULATOR defined into namespace dml::emulator, where every CUDA thread is a fiber. Kernel
// files write `namespace dml::DML_DEVICE`. Beyond CUDA C++ they may use
//
//   struct Tile { float a[16][33]; };
//   Tile& tile = shared_memory<Tile>();             static shared memory, 16-byte aligned, one T per kernel
//   float* rows = dynamic_shared_memory<float>();   as many bytes as the launch gives
//   launch("name", kernel, {blocks, threads, shared_bytes}, stream, arguments...);
//
// and the wrappers of tensor_core.h. What the emulator does not know (wgmma, TMA, float atomics, textures)
// does not compile there.
#pragma once

#include "kernels/cuda/runtime.h"

#if defined(DML_EMULATOR)
#include "kernels/emulator/device_words.h"
#else
#include <cuda_runtime.h>

namespace dml::cuda {

/// One T for the block. `Tag` tells variables of the same type apart.
template <class T, class Tag = T>
__device__ __forceinline__ T& shared_memory() {
  __shared__ __align__(16) unsigned char bytes[sizeof(T)];
  return *reinterpret_cast<T*>(bytes);
}

template <class T>
__device__ __forceinline__ T* dynamic_shared_memory() {
  extern __shared__ __align__(16) unsigned char dml_dynamic_shared_memory[];
  return reinterpret_cast<T*>(dml_dynamic_shared_memory);
}

}  // namespace dml::cuda
#endif
