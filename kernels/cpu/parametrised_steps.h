// Convolution and linear layers on oneDNN.
//
//   convolution  y = x * w + b     dw = x * dy,    db = sum dy,  dx = dy * w^T
//   linear       y = x w^T + b     dw = dy^T x,    db = sum dy,  dx = dy w
// A ReLU that follows is not a post-op of these primitives: oneDNN's turns NaN into 0, which would hide a
// diverged run from the loss. It is fused with the max pool behind it instead, or runs in place.
#pragma once

#include <memory>

#include "kernels/cpu/step.h"

namespace dml::cpu {

/// Source (N,C,H,W) in any layout.
std::unique_ptr<Step> make_convolution_step(StageContext& stage, const std::string& layer,
                                            const Convolution& convolution, const dnnl::memory& source);
/// Source (N,C) or (N,C',H,W) with C'HW = C, which is made plain first.
std::unique_ptr<Step> make_linear_step(StageContext& stage, const std::string& layer, const Linear& linear,
                                       const dnnl::memory& source);

}  // namespace dml::cpu
