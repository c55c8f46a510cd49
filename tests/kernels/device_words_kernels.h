// Kernels of one word each, run by tests/kernels/device_words_test.cpp.
#pragma once

#include "kernels/cuda/runtime.h"

namespace dml::DML_DEVICE {

enum class ShuffleWord { index, up, down, exchange };

/// y[lane] = the shuffle of x (32) by one warp.
void run_shuffle(ShuffleWord word, int operand, int width, const int* x, int* y, DeviceStream& stream);
/// The sum of x (32) by __shfl_xor_sync in each lane: y (32).
void run_double_sum(const double* x, double* y, DeviceStream& stream);

/// y (3, 32): __ballot_sync, __any_sync and __all_sync of x[lane] != 0, each half of the warp by itself.
void run_votes(const int* x, unsigned* y, DeviceStream& stream);

/// y (4, count): __popc, __ffs, __clz, and the bits of x + 1 as a float.
void run_bits(int count, const unsigned* x, unsigned* y, DeviceStream& stream);

/// `blocks` x 96 threads change memory (8), each by one word: + 1 by atomicAdd, - 1 by atomicSub, thread
/// number
/// + 1 by atomicMax, atomicMin, atomicAnd, atomicOr and atomicExch, + 1 by atomicCAS. tickets[i]: what
/// atomicAdd gave thread i.
void run_atomics(int blocks, int* memory, int* tickets, DeviceStream& stream);

/// Cooperative. Three times: y = x, all blocks wait for each other, x = y turned by a block. `barrier` (2) is
/// 0. Arrays of blocks x 64.
void run_grid_barrier(int blocks, unsigned* barrier, int* x, int* y, DeviceStream& stream);

/// y (64) = x (64) by way of shared memory: warp 0 writes and arrives at a named barrier, warp 1 reads.
void run_named_barrier(const int* x, int* y, DeviceStream& stream);

/// y (32, 8) = x (32, 8) by two asynchronous copies a lane, waited for one after the other.
void run_async_copies(const int* x, int* y, DeviceStream& stream);

/// y = x, 32 lanes x 16 bytes as float4, uint4, int4 and four uchar4 each: (4, 128).
void run_vectors(const unsigned* x, unsigned* y, DeviceStream& stream);

}  // namespace dml::DML_DEVICE
