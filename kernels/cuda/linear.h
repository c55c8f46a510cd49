// Fully connected layers by register-tiled GEMM in the three transposition cases, split along the reduction
// where the result is too small to fill a device.
#pragma once

#include <string>

#include "kernels/cuda/problems.h"

namespace dml::DML_DEVICE {

/// The rule of the functions below that this shape breaks; empty: they take it.
std::string linear_broken_rule(const LinearShape& shape);

/// y (N,K) = x (N,C) weight^T (C,K) + bias, then ReLU where asked (NaN stays NaN).
std::int64_t linear_forward_workspace(const LinearShape& shape);
void linear_forward(const LinearShape& shape, const float* x, const float* weight, const float* bias,
                    float* y, bool relu, float* workspace, DeviceStream& stream);

/// dx (N,C) = dz weight, overwritten. dz = dy where y > 0, else 0; y null: dz = dy.
std::int64_t linear_input_gradient_workspace(const LinearShape& shape);
void linear_input_gradient(const LinearShape& shape, const float* dy, const float* y, const float* weight,
                           float* dx, float* workspace, DeviceStream& stream);

/// dweight (K,C) = dz^T x and dbias (K) = sums of dz over samples, overwritten or added to.
std::int64_t linear_weight_gradient_workspace(const LinearShape& shape);
void linear_weight_gradient(const LinearShape& shape, const float* x, const float* dy, const float* y,
                            float* dweight, float* dbias, bool accumulate, float* workspace,
                            DeviceStream& stream);

}  // namespace dml::DML_DEVICE
