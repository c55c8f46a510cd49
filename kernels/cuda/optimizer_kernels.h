// SGD and Adam over a range of the arena in one launch; the rules are those of kernels/base/optimizer.h.
#pragma once

#include "kernels/base/optimizer.h"
#include "kernels/cuda/problems.h"

namespace dml::DML_DEVICE {

struct OptimizerProblem {
  std::int64_t count = 0;
  float* values = nullptr;               ///< (count)
  const float* gradients = nullptr;      ///< (count) sums over samples
  float* slot0 = nullptr;                ///< momentum, or Adam's first moment; null: momentum is 0
  float* slot1 = nullptr;                ///< Adam's second moment
  const StepScalars* steps = nullptr;    ///< (places of the window)
  const std::int32_t* cursor = nullptr;  ///< the place in progress
};

void sgd_update(const OptimizerOptions& options, const OptimizerProblem& problem, DeviceStream& stream);
void adam_update(const OptimizerOptions& options, const OptimizerProblem& problem, DeviceStream& stream);

}  // namespace dml::DML_DEVICE
