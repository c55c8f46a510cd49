// Convolutions of few channels with sixteen samples in the lanes of a vector.
//
// oneDNN puts channels into lanes, so a layer of 1 -> 6 or 6 -> 16 channels pads most of them with zeros.
// Here activations are [N/16][C][H][W][16]: no channel is padded, and only the last block of a batch may have
// lanes to spare. Weights are packed with output channels adjacent, [c][r][s][k] forward and [k][r][s][c]
// backward. Parameter gradients are summed over the lanes, then over the blocks in their order, so that they
// do not depend on the number of threads.
#pragma once

#include <memory>

#include "kernels/cpu/step.h"

namespace dml::cpu {

/// Stride and dilation 1, padding smaller than the filter, few channels, and enough samples to fill the
/// lanes.
bool lanes_convolution_supports(const ConvolutionShape& shape);

/// Source (N,C,H,W) in any layout; the output is in lanes_layout().
std::unique_ptr<Step> make_lanes_convolution_step(StageContext& stage, const std::string& layer,
                                                  const Convolution& convolution, const dnnl::memory& source);

}  // namespace dml::cpu
