// Convolutions of any shape as tiled matrix products whose operands are gathered on the fly (implicit GEMM).
#pragma once

#include <string>

#include "kernels/cuda/problems.h"

namespace dml::DML_DEVICE {

/// The rule of the functions below that this shape breaks (sizes that fit their 32-bit indices); empty: they
/// take it.
std::string conv2d_tiled_broken_rule(const ConvolutionShape& shape);

/// y = x * weight + bias, then ReLU where asked; ConvolutionOutput::argmax is null.
std::int64_t conv2d_tiled_forward_workspace(const ConvolutionShape& shape);
void conv2d_tiled_forward(const ConvolutionShape& shape, const float* x, const float* weight,
                          const float* bias, const ConvolutionOutput& output, float* workspace,
                          DeviceStream& stream);

/// dx (N,C,H,W), overwritten; ConvolutionOutputGradient::argmax is null.
std::int64_t conv2d_tiled_input_gradient_workspace(const ConvolutionShape& shape);
void conv2d_tiled_input_gradient(const ConvolutionShape& shape, const ConvolutionOutputGradient& gradient,
                                 const float* weight, float* dx, float* workspace, DeviceStream& stream);

/// dweight (K,C,R,S) and dbias (K): sums over samples, overwritten or added to.
std::int64_t conv2d_tiled_weight_gradient_workspace(const ConvolutionShape& shape);
void conv2d_tiled_weight_gradient(const ConvolutionShape& shape, const float* x,
                                  const ConvolutionOutputGradient& gradient, float* dweight, float* dbias,
                                  bool accumulate, float* workspace, DeviceStream& stream);

}  // namespace dml::DML_DEVICE
