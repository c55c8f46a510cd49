#include "kernels/reference/softmax_cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dml::reference {
namespace {

constexpr std::string_view kName = "softmax_cross_entropy_reference";

class SoftmaxCrossEntropyKernel final : public Kernel {
 public:
  SoftmaxCrossEntropyKernel(const Operation& operation, const SoftmaxCrossEntropy& work, Context& context,
                            std::span<double> losses)
      : Kernel(operation.layer, kernel_description(kName, operation), losses),
        work_(work),
        context_(&context),
        losses_(losses),
        x_(context.last) {}

  void forward() override {
    LossResult result;
    for (std::int64_t n = 0; n < work_.N; ++n) {
      const std::span<const double> x = row(x_.values, n);
      const std::size_t label = label_of(n);
      const auto largest = std::ranges::max_element(x);  // the first one
      double& loss = losses_[static_cast<std::size_t>(n)];
      loss = std::log(sum_of_exp(x, *largest)) + *largest - x[label];
      result.loss_sum += loss;
      if (largest - x.begin() == static_cast<std::ptrdiff_t>(label)) ++result.correct;
    }
    context_->loss = result;
  }

  void backward(bool /*accumulate*/) override {
    if (x_.gradient.empty()) return;
    for (std::int64_t n = 0; n < work_.N; ++n) {
      const std::span<const double> x = row(x_.values, n);
      const std::span<double> dx = row(x_.gradient, n);
      const double largest = *std::ranges::max_element(x);
      const double sum = sum_of_exp(x, largest);
      for (std::size_t k = 0; k < x.size(); ++k) dx[k] = std::exp(x[k] - largest) / sum;
      dx[label_of(n)] -= 1;
    }
  }

 private:
  [[nodiscard]] std::span<double> row(std::span<double> matrix, std::int64_t n) const {
    return matrix.subspan(static_cast<std::size_t>(n * work_.K), static_cast<std::size_t>(work_.K));
  }

  static double sum_of_exp(std::span<const double> x, double largest) {
    return std::accumulate(x.begin(), x.end(), 0.0,
                           [largest](double sum, double logit) { return sum + std::exp(logit - largest); });
  }

  [[nodiscard]] std::size_t label_of(std::int64_t n) const {
    const auto labels = context_->data.labels;
    const std::int64_t index = context_->sample_indices[static_cast<std::size_t>(n)];
    DML_ASSERT(
        index >= 0 && index < static_cast<std::int64_t>(labels.size()),
        "sample " + std::to_string(index) + " of a data set of " + std::to_string(labels.size()) + " labels");
    const std::size_t label = labels[static_cast<std::size_t>(index)];
    if (static_cast<std::int64_t>(label) >= work_.K) {
      throw DataError("sample " + std::to_string(index) + " has label " + std::to_string(label) +
                      ", but the model tells only " + std::to_string(work_.K) +
                      " classes apart; use a model with more outputs or another data set");
    }
    return label;
  }

  SoftmaxCrossEntropy work_;
  Context* context_;
  std::span<double> losses_;  // (N), of the last forward()
  Activation x_;
};

std::unique_ptr<Kernel> make(std::span<const Operation> operations, Context& context) {
  const auto& work = std::get<SoftmaxCrossEntropy>(operations.front().work);
  const Activation losses = context.allocate(work.N, false);
  return std::make_unique<SoftmaxCrossEntropyKernel>(operations.front(), work, context, losses.values);
}

}  // namespace

Candidate softmax_cross_entropy() {
  return {kName, claims_one<SoftmaxCrossEntropy>, make};
}

}  // namespace dml::reference
