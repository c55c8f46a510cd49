// The second half of a convolution's weight gradient: what groups of samples have summed is added up.
#pragma once

#include "kernels/cuda/runtime.h"

namespace dml::DML_DEVICE {

/// workspace (groups, weights + K) -> dweight (weights) and dbias (K), overwritten or added to. Groups are
/// added in a fixed order; none of them: zero.
void sum_groups(int weights, int K, int groups, const float* workspace, float* dweight, float* dbias,
                bool accumulate, DeviceStream& stream);

}  // namespace dml::DML_DEVICE
