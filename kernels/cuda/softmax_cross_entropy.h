// The loss and its gradient in one kernel.
#pragma once

#include "kernels/cuda/problems.h"

namespace dml::DML_DEVICE {

struct SoftmaxCrossEntropyProblem {
  std::int64_t N = 0, K = 0;
  const float* logits = nullptr;         ///< (N,K)
  const std::uint8_t* labels = nullptr;  ///< (samples of the data set)
  SampleWindow samples;
  float* dlogits = nullptr;                ///< (N,K): softmax - onehot; null: not wanted
  float* sample_losses = nullptr;          ///< (N) scratch
  std::int32_t* sample_correct = nullptr;  ///< (N) scratch
  LossSlot* losses = nullptr;              ///< (steps of the window): slot *cursor is overwritten
};

/// loss_n = log(sum_k exp(x_nk)) - x_n,label; a sample is correct when its first largest logit is its label.
/// The sum over samples is in double and in fixed order.
void softmax_cross_entropy(const SoftmaxCrossEntropyProblem& problem, DeviceStream& stream);

}  // namespace dml::DML_DEVICE
