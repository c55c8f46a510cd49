// Convolutions with square filters of 3x3 or 5x5 at stride 1, for any number of channels: every thread
// computes a window of several pixels for several channels from a patch of input in its registers.
#pragma once

#include "kernels/cuda/problems.h"

namespace dml::DML_DEVICE {

/// Whether the functions below take this shape, `pooled` with the fused 2x2 max pool.
bool supports_conv2d_window(const ConvolutionShape& shape, bool pooled);

/// y = pool(relu(x * weight + bias)), the last two where `output` asks for them.
void conv2d_window_forward(const ConvolutionShape& shape, const ConvolutionInput& input, const float* weight,
                           const float* bias, const ConvolutionOutput& output, DeviceStream& stream);

/// dx (N,C,H,W), overwritten.
void conv2d_window_input_gradient(const ConvolutionShape& shape, const ConvolutionOutputGradient& gradient,
                                  const float* weight, float* dx, DeviceStream& stream);

/// Floats of scratch memory that the next function needs.
std::int64_t conv2d_window_weight_gradient_workspace(const ConvolutionShape& shape);

/// dweight (K,C,R,S) and dbias (K): sums over samples, overwritten or added to.
void conv2d_window_weight_gradient(const ConvolutionShape& shape, const ConvolutionInput& input,
                                   const ConvolutionOutputGradient& gradient, float* dweight, float* dbias,
                                   bool accumulate, float* workspace, DeviceStream& stream);

}  // namespace dml::DML_DEVICE
