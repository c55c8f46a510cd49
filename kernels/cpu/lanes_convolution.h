// Convolutions of few channels with sixteen samples in the lanes of a vector: which ones.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/base/operation.h"

namespace dml::cpu {

/// Stride and dilation 1, padding smaller than the filter, few channels, and enough samples to fill the
/// lanes.
bool lanes_convolution_supports(const ConvolutionShape& shape);

/// Operations at the front that one step computes: convolution [+ ReLU] [+ max pool of windows that do not
/// overlap]; 0 when the convolution is not supported.
std::size_t lanes_convolution_claims(std::span<const Operation> operations);

}  // namespace dml::cpu
