// Operations that stand alone: gather, ReLU, max pool, and the loss at the end.
#include "kernels/cuda/pointwise.h"
#include "kernels/cuda/softmax_cross_entropy.h"
#include "kernels/cuda/step.h"

namespace dml::DML_DEVICE {
namespace {

class GatherStep final : public Step {
 public:
  GatherStep(const Operation& operation, StageContext& stage)
      : Step(operation, "gather_normalize",
             stage.allocate_activation(output_elements(operation), false, operation.layer)),
        work_(std::get<GatherNormalize>(operation.work)),
        input_(stage.gathered) {
    stage.last = output();
  }
  void forward(DeviceStream& stream) override {
    gather_normalize(work_.N, work_.sample_elements(), input_, output().values, stream);
  }
  void backward(bool /*accumulate*/, DeviceStream& /*stream*/) override {}

 private:
  GatherNormalize work_;
  GatheredInput input_;
};

class ReluStep final : public Step {
 public:
  ReluStep(const Operation& operation, StageContext& stage)
      : Step(operation, "relu", stage.allocate_activation(output_elements(operation), true, operation.layer)),
        x_(stage.last) {
    stage.last = output();
  }
  void forward(DeviceStream& stream) override {
    relu_forward(output().elements, x_.values, output().values, stream);
  }
  void backward(bool /*accumulate*/, DeviceStream& stream) override {
    if (x_.gradient == nullptr) return;
    relu_backward(output().elements, output().gradient, output().values, x_.gradient, stream);
  }

 private:
  Activation x_;
};

class MaxPoolStep final : public Step {
 public:
  MaxPoolStep(const Operation& operation, StageContext& stage)
      : Step(operation, "max_pool",
             stage.allocate_activation(output_elements(operation), true, operation.layer)),
        shape_(std::get<MaxPool>(operation.work).shape),
        x_(stage.last) {
    if (x_.gradient != nullptr)
      winners_ = stage.allocate<std::uint16_t>(shape_.output_elements(), "winners of " + layer());
    stage.last = output();
  }
  void forward(DeviceStream& stream) override {
    max_pool_forward(shape_, x_.values, output().values, winners_, stream);
  }
  void backward(bool /*accumulate*/, DeviceStream& stream) override {
    if (x_.gradient == nullptr) return;
    max_pool_backward(shape_, output().gradient, winners_, x_.gradient, stream);
  }

 private:
  PoolShape shape_;
  Activation x_;
  std::uint16_t* winners_ = nullptr;
};

/// forward() finds the losses and, when training, the gradient of the logits as well. Its output are the
/// logits.
class LossStep final : public Step {
 public:
  LossStep(const Operation& operation, StageContext& stage)
      : Step(operation, "softmax_cross_entropy", stage.last) {
    const auto& work = std::get<SoftmaxCrossEntropy>(operation.work);
    problem_ = {.N = work.N,
                .K = work.K,
                .logits = stage.last.values,
                .labels = stage.labels,
                .samples = stage.gathered.samples,
                .dlogits = stage.last.gradient,
                .sample_losses = stage.allocate<float>(work.N, "losses"),
                .sample_correct = stage.allocate<std::int32_t>(work.N, "counts of correct samples"),
                .losses = stage.loss};
  }
  void forward(DeviceStream& stream) override { softmax_cross_entropy(problem_, stream); }
  void backward(bool /*accumulate*/, DeviceStream& /*stream*/) override {}  // forward() has left the gradient

 private:
  SoftmaxCrossEntropyProblem problem_;
};

template <class Work>
std::size_t claims_one(std::span<const Operation> operations) {
  return std::holds_alternative<Work>(operations.front().work) ? 1 : 0;
}

template <class StepType>
std::unique_ptr<Step> make(std::span<const Operation> claimed, StageContext& stage) {
  return std::make_unique<StepType>(claimed.front(), stage);
}

}  // namespace

StageCandidate gather() {
  return {"gather_normalize", claims_one<GatherNormalize>, make<GatherStep>};
}
StageCandidate relu() {
  return {"relu", claims_one<Relu>, make<ReluStep>};
}
StageCandidate max_pool() {
  const auto rule = [](const Operation& operation) -> std::string {
    const auto* const pool = std::get_if<MaxPool>(&operation.work);
    return pool == nullptr ? "" : max_pool_broken_rule(pool->shape);
  };
  return {"max_pool",
          [](std::span<const Operation> operations) -> std::size_t {
            const auto* const pool = std::get_if<MaxPool>(&operations.front().work);
            return pool != nullptr && max_pool_broken_rule(pool->shape).empty() ? 1 : 0;
          },
          make<MaxPoolStep>, Origin::only, rule};
}
StageCandidate loss() {
  return {"softmax_cross_entropy", claims_one<SoftmaxCrossEntropy>, make<LossStep>};
}

}  // namespace dml::DML_DEVICE
