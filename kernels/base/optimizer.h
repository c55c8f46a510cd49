// The update rules, as the field defines them; each backend implements them over a range of the arena.
//
// With g = gradient_sum / samples + weight_decay * w (so the gradient is the mean over the update's samples):
//   sgd:  m = momentum * m + g (m = 0 at first);  w -= lr * (nesterov ? g + momentum * m : m)
//   adam: m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
//         w -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + epsilon),  t = 1 for the first update
// Both equal torch.optim.SGD (dampening 0) and torch.optim.Adam (weight_decay as L2). Kingma and Ba, 2015.
#pragma once

#include <cstdint>

namespace dml {

class Stream;

struct OptimizerOptions {
  enum class Rule { sgd, adam };
  Rule rule = Rule::sgd;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

/// State values kept per parameter: sgd keeps m (unless momentum is 0), adam keeps m and v.
constexpr int optimizer_state_slots(const OptimizerOptions& options) {
  if (options.rule == OptimizerOptions::Rule::adam) return 2;
  return options.momentum != 0 ? 1 : 0;
}

/// Scalars that change from step to step.
struct StepState {
  std::int64_t step = 0;     ///< updates done before this one
  std::int64_t samples = 0;  ///< samples of this update over all replicas and micro-batches
  double learning_rate = 0;
};

class Optimizer {
 public:
  Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer() = default;
  /// Applies one update in place and increments the binding's version.
  virtual void run(const StepState& state, Stream& stream) = 0;
};

}  // namespace dml
