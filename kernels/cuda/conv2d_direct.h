// Direct convolutions for few input channels and any filter, stride and dilation.
#pragma once

#include "kernels/cuda/problems.h"

namespace dml::DML_DEVICE {

/// Whether the three functions below take this shape, `pooled` with the fused 2x2 max pool.
bool supports_conv2d_direct(const ConvolutionShape& shape, bool pooled);

/// Bytes of ConvolutionOutput::argmax: two bits for each pooled output.
std::int64_t conv2d_argmax_bytes(const ConvolutionShape& shape);

/// y = pool(relu(x * weight + bias)), the last two where `output` asks for them.
void conv2d_direct_forward(const ConvolutionShape& shape, const ConvolutionInput& input, const float* weight,
                           const float* bias, const ConvolutionOutput& output, DeviceStream& stream);

/// dx (N,C,H,W), overwritten.
void conv2d_direct_input_gradient(const ConvolutionShape& shape, const ConvolutionOutputGradient& gradient,
                                  const float* weight, float* dx, DeviceStream& stream);

/// Floats of scratch memory that the next function needs.
std::int64_t conv2d_direct_weight_gradient_workspace(const ConvolutionShape& shape);

/// dweight (K,C,R,S) and dbias (K): sums over samples, overwritten or added to.
void conv2d_direct_weight_gradient(const ConvolutionShape& shape, const ConvolutionInput& input,
                                   const ConvolutionOutputGradient& gradient, float* dweight, float* dbias,
                                   bool accumulate, float* workspace, DeviceStream& stream);

}  // namespace dml::DML_DEVICE
