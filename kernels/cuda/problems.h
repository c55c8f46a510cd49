// What the kernels of a stage are asked to compute, as plain structs of device pointers: shared by launchers,
// kernels and the steps that call them.
//
// Activations are NCHW, fp32. Weights and their gradients lie in the canonical arena: (K,C,R,S) and (K,C).
#pragma once

#include <cstdint>

#include "kernels/base/shapes.h"
#include "kernels/cuda/runtime.h"

namespace dml::DML_DEVICE {

/// Which samples of the resident data set a forward pass reads. The indices of several passes lie behind each
/// other, so that the device can go on by itself: sample n of the one in progress is indices[*cursor * N +
/// n].
struct SampleWindow {
  const std::int64_t* indices = nullptr;  ///< (places, N)
  const std::int32_t* cursor = nullptr;   ///< the place in progress
};

/// Pixels of the resident data set as inputs: x[n] = table[images[sample n]].
struct GatheredInput {
  const std::uint8_t* images = nullptr;  ///< (samples, C, H, W)
  const float* table = nullptr;          ///< (256) the normalised value of each pixel value
  SampleWindow samples;
};

/// A convolution's input (N,C,H,W): `x`, or gathered where that is null.
struct ConvolutionInput {
  const float* x = nullptr;
  GatheredInput gathered;
};

/// What follows a convolution in the same kernel, and where the result goes.
struct ConvolutionOutput {
  float* y = nullptr;              ///< (N,K,P,Q), pooled: (N,K,P/2,Q/2)
  bool relu = false;               ///< y = x > 0 ? x : 0, and NaN stays NaN
  std::uint8_t* argmax = nullptr;  ///< of the fused 2x2 max pool with stride 2; null: no pool
};

/// d(loss)/d(output) behind ReLU and pool; kernels undo both where they read it.
struct ConvolutionOutputGradient {
  const float* dy = nullptr;             ///< in the shape of ConvolutionOutput::y
  const float* y = nullptr;              ///< the forward's y; null: no ReLU
  const std::uint8_t* argmax = nullptr;  ///< null: no pool
};

/// Scalars of one update, prepared in double and rounded once.
struct StepScalars {
  float inverse_samples = 0;  ///< 1 / samples of the update
  float learning_rate = 0;    ///< sgd
  float adam_rate = 0;        ///< learning rate / (1 - beta1^t)
  float adam_root_scale = 0;  ///< 1 / sqrt(1 - beta2^t)
};

/// What the loss kernel leaves behind for each place of a window.
struct LossSlot {
  double loss_sum = 0;
  std::int64_t correct = 0;
};

}  // namespace dml::DML_DEVICE
