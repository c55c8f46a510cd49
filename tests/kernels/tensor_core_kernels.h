// One warp that does nothing but call a wrapper of kernels/cuda/tensor_core.h: fragments in, fragments out,
// lane by lane.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"

namespace dml::DML_DEVICE {

/// d (32, 4) += A B; a (32, 4), b (32, 2) as registers.
void run_multiply_tf32(const unsigned* a, const unsigned* b, float* d, DeviceStream& stream);
void run_multiply_bf16(const unsigned* a, const unsigned* b, float* d, DeviceStream& stream);

/// What load_matrices gives each lane, r (32, matrices), from a table (matrices * 8, 8) of 16-bit values that
/// is put into shared memory with rows `stride` values apart.
void run_load_matrices(int matrices, bool turned, int stride, const std::uint16_t* table, unsigned* r,
                       DeviceStream& stream);

/// tf32[i] = to_tf32(x[i]) and bf16[i] = to_bf16_pair(x[i], -x[i]) for `count` values, at most 1024.
void run_roundings(int count, const float* x, unsigned* tf32, unsigned* bf16, DeviceStream& stream);

/// load_matrices by a warp whose last lane is not there; and from an address that is 2 bytes off.
void run_load_without_a_lane(unsigned* r, DeviceStream& stream);
void run_misaligned_load(unsigned* r, DeviceStream& stream);
/// load_matrices from shared memory that nobody wrote.
void run_load_of_nothing(unsigned* r, DeviceStream& stream);

}  // namespace dml::DML_DEVICE
