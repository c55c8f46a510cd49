// Softmax with cross-entropy over N samples of K logits.
//
//   loss_n = max + log(sum_k exp(x_nk - max)) - x_n,label     (stable: no exponent is positive)
//   dx_nk  = exp(x_nk - max) / sum - [k = label]
// exp in float, sums in double. A NaN or +inf among the logits makes the loss of the sample NaN: it is the
// sum that carries it, as the comparisons that find the maximum skip NaNs.
#include <cmath>

#include "kernels/cpu/candidates.h"

namespace dml::cpu {
namespace {

class SoftmaxCrossEntropyStep final : public LossStep {
 public:
  SoftmaxCrossEntropyStep(StageContext& stage, const Operation& operation)
      : LossStep(operation),
        stage_(stage),
        loss_(std::get<SoftmaxCrossEntropy>(operation.work)),
        logits_(stage, stage.current, plain_layout({loss_.N, loss_.K})) {
    output_ = logits_.result();
    gradient_ = allocate(stage.onednn, plain_layout({loss_.N, loss_.K}));
  }

  void forward() override {
    logits_.run(stage_.onednn.stream);
    result_ = {};
    for (std::int64_t n = 0; n < loss_.N; ++n) {
      add_sample(floats(output_) + n * loss_.K, floats(gradient_) + n * loss_.K, label_of(n));
    }
  }

  dnnl::memory compile_backward(const dnnl::memory& /*output_gradient*/, bool /*want*/) override {
    return gradient_;
  }
  void backward(bool /*accumulate*/) override {}  // forward() has left the gradient
  [[nodiscard]] std::string description() const override { return "softmax cross-entropy: own"; }
  [[nodiscard]] LossResult result() const override { return result_; }

 private:
  [[nodiscard]] std::int64_t label_of(std::int64_t n) const {
    const std::int64_t index = stage_.sample_indices[static_cast<std::size_t>(n)];
    DML_ASSERT(index >= 0 && index < static_cast<std::int64_t>(stage_.data.labels.size()),
               "sample index " + std::to_string(index) + " of a data set of " +
                   std::to_string(stage_.data.labels.size()) + " labels");
    const std::int64_t label = stage_.data.labels[static_cast<std::size_t>(index)];
    DML_ASSERT(label < loss_.K, "label " + std::to_string(label) + " of sample " + std::to_string(index) +
                                    ", but the model has " + std::to_string(loss_.K) + " classes");
    return label;
  }

  /// Adds one sample to the result. `exponentials` is where its gradient goes.
  void add_sample(const float* logits, float* exponentials, std::int64_t label) {
    std::int64_t largest = 0;
    for (std::int64_t k = 1; k < loss_.K; ++k) {
      if (logits[k] > logits[largest]) largest = k;
    }
    double sum = 0;
    for (std::int64_t k = 0; k < loss_.K; ++k) {
      exponentials[k] = std::exp(logits[k] - logits[largest]);
      sum += exponentials[k];
    }
    result_.loss_sum +=
        std::log(sum) + static_cast<double>(logits[largest]) - static_cast<double>(logits[label]);
    result_.correct += largest == label ? 1 : 0;
    for (std::int64_t k = 0; k < loss_.K; ++k) {
      exponentials[k] = static_cast<float>(exponentials[k] / sum - (k == label ? 1 : 0));
    }
  }

  StageContext& stage_;
  SoftmaxCrossEntropy loss_;
  Conversion logits_;
  dnnl::memory gradient_;
  LossResult result_;
};

}  // namespace

StageCandidate softmax_cross_entropy() {
  return {"softmax cross-entropy",
          [](std::span<const Operation> operations) -> std::size_t {
            return front_as<SoftmaxCrossEntropy>(operations) != nullptr ? 1 : 0;
          },
          [](std::span<const Operation> claimed, StageContext& stage) -> std::unique_ptr<Step> {
            auto step = std::make_unique<SoftmaxCrossEntropyStep>(stage, claimed.front());
            stage.loss = step.get();
            stage.current = step->output();
            return step;
          }};
}

}  // namespace dml::cpu
