// A second, independent implementation of every operation, in double, with a bound on the error of each
// element.
//
// It exists to judge backends, the double reference included, so it shares nothing with them: every output
// element is computed from its definition in gather form (the reference scatters), with no regard for speed.
// Beside each value it carries a bound on how far an implementation with unit roundoff u may be from it: the
// classical running error analysis (Higham, section 3.3), with the sum bounds of compare.h:
//
//   y = sum_i a_i b_i      E_y = sum_i (E_a |b| + |a| E_b + E_a E_b) + rounding(n, u) * sum_i
//   (|a|+E_a)(|b|+E_b) ReLU, max pooling      exact, and 1-Lipschitz: E passes through softmax, loss
//   Lipschitz 2 in the largest logit error, plus the rounding of exp, log and sum
//
// Where rounding alone can decide a sign or a maximum, no bound on gradients exists: such activations are
// `doubtful`. A doubtful output is given a zero output gradient by the testbed; a doubtful inner activation
// asks for other inputs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/operation.h"
#include "tests/kernels/compare.h"

namespace dml::test {

/// The arithmetic that is judged. `unit` is its unit roundoff; an oracle's own rounding is added to it.
struct Arithmetic {
  double unit = 0;
  bool exact = false;  ///< the inputs are small integers: sums of products do not round
};

class BoundedSum;

/// One stage, evaluated. All spans are those of the caller and must outlive the oracle.
class Oracle {
 public:
  /// `parameters` is the arena, `images` and `labels` the resident data set.
  Oracle(std::span<const Operation> operations, std::span<const double> parameters,
         std::span<const std::uint8_t> images, std::span<const std::uint8_t> labels, Arithmetic arithmetic);

  /// `input` is (N,C,H,W), ignored when a gather comes first; `indices` are the N samples to read.
  void forward(std::span<const double> input, std::span<const std::int64_t> indices);
  /// `output_gradient` is ignored when the stage ends in a loss.
  void backward(std::span<const double> output_gradient);

  /// The output of the stage; its logits when it ends in a loss.
  [[nodiscard]] const Bounded& output() const;
  /// Per output element: rounding alone may decide which way its gradient goes.
  [[nodiscard]] const std::vector<bool>& doubtful() const { return doubtful_; }
  /// An inner activation or the largest logit is doubtful: these inputs prove nothing.
  [[nodiscard]] bool inconclusive() const { return inconclusive_; }
  [[nodiscard]] double loss() const { return loss_; }
  [[nodiscard]] double loss_error() const { return loss_error_; }
  [[nodiscard]] std::int64_t correct() const { return correct_; }
  /// The largest sum of |products|: integer inputs are exact in a type whose significand exceeds it.
  [[nodiscard]] double largest_sum() const { return largest_sum_; }

  [[nodiscard]] const Bounded& input_gradient() const { return gradient_; }
  /// (arena elements); zero outside the parameters of the stage.
  [[nodiscard]] const Bounded& parameter_gradients() const { return parameter_gradients_; }
  /// The same when they are added to `earlier` gradients (arena elements). The earlier value is one more term
  /// of the sum, first in the worst order, so that every rounding may be on its scale.
  [[nodiscard]] Bounded accumulated_gradients(std::span<const double> earlier) const;

 private:
  void forward_one(const GatherNormalize& gather, std::span<const std::int64_t> indices);
  void forward_one(const Convolution& convolution);
  void forward_one(const Linear& linear);
  void forward_one(const Relu& relu);
  void forward_one(const MaxPool& pool);
  void forward_one(const SoftmaxCrossEntropy& softmax, std::span<const std::int64_t> indices);
  void backward_one(const Convolution& convolution, const Bounded& x);
  void backward_one(const Linear& linear, const Bounded& x);
  void backward_one(const Relu& relu, const Bounded& x);
  void backward_one(const MaxPool& pool, const Bounded& x);
  void backward_one(const SoftmaxCrossEntropy& softmax, const Bounded& x);

  [[nodiscard]] double sum_unit(bool exact) const;
  void store_parameter(const BoundedSum& sum, std::int64_t offset);
  void forget_doubts(std::int64_t outputs);

  std::vector<Operation> operations_;
  std::span<const double> parameters_;
  std::span<const std::uint8_t> images_;
  std::span<const std::uint8_t> labels_;
  double unit_;
  bool exact_forward_;
  bool exact_backward_;

  std::vector<Bounded>
      activations_;  ///< input of operation i is activations_[i], its output activations_[i + 1]
  std::vector<bool> doubtful_;
  std::vector<std::int64_t> targets_;  ///< the label of each sample of the last forward()
  bool inconclusive_ = false;
  double loss_ = 0, loss_error_ = 0;
  std::int64_t correct_ = 0;
  double largest_sum_ = 0;
  Bounded gradient_;
  Bounded parameter_gradients_;
  std::vector<std::int64_t> terms_;  ///< products summed in each parameter gradient
};

}  // namespace dml::test
