// The steps that need no library: gather, ReLU, max pooling, softmax cross-entropy.
#pragma once

#include <memory>

#include "kernels/cpu/step.h"

namespace dml::cpu {

/// Output (N,C,H,W): plain, or with samples in lanes.
std::unique_ptr<Step> make_gather_step(StageContext& stage, const std::string& layer,
                                       const GatherNormalize& gather, bool into_lanes);

/// In place of its source, unless `keep_source` (the caller owns what lies there).
std::unique_ptr<Step> make_relu_step(StageContext& stage, const std::string& layer,
                                     const dnnl::memory& source, bool keep_source);

/// Pools max(x, 0) when `relu`, else x. Output in the order of the source's layout.
std::unique_ptr<Step> make_max_pool_step(StageContext& stage, const std::string& layer, const MaxPool& pool,
                                         bool relu, const dnnl::memory& source);

/// The end of a stage. forward() finds the losses and, when training, the gradient of the logits as well.
class LossStep : public Step {
 public:
  using Step::Step;
  [[nodiscard]] virtual LossResult result() const = 0;
  [[nodiscard]] virtual const dnnl::memory& logits_gradient() const = 0;
};
std::unique_ptr<LossStep> make_loss_step(StageContext& stage, const std::string& layer,
                                         const SoftmaxCrossEntropy& loss, const dnnl::memory& source);

}  // namespace dml::cpu
