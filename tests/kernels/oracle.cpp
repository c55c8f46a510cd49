#include "tests/kernels/oracle.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>
#include <variant>

#include "tests/kernels/oracle_arithmetic.h"
#include "tests/kernels/oracle_indexing.h"

namespace dml::test {
namespace {

bool begins_with_gather(std::span<const Operation> operations) {
  return !operations.empty() && std::holds_alternative<GatherNormalize>(operations.front().work);
}

bool ends_in_loss(std::span<const Operation> operations) {
  return !operations.empty() && std::holds_alternative<SoftmaxCrossEntropy>(operations.back().work);
}

}  // namespace

Oracle::Oracle(std::span<const Operation> operations, std::span<const double> parameters,
               std::span<const std::uint8_t> images, std::span<const std::uint8_t> labels,
               Arithmetic arithmetic)
    : operations_(operations.begin(), operations.end()),
      parameters_(parameters),
      images_(images),
      labels_(labels),
      unit_(arithmetic.unit + unit_roundoff(DType::f64)),
      exact_forward_(arithmetic.exact && !begins_with_gather(operations)),
      exact_backward_(exact_forward_ && !ends_in_loss(operations)) {}

double Oracle::sum_unit(bool exact) const {
  return exact ? 0 : unit_;
}

const Bounded& Oracle::output() const {
  return ends_in_loss(operations_) ? activations_[activations_.size() - 2] : activations_.back();
}

void Oracle::forward(std::span<const double> input, std::span<const std::int64_t> indices) {
  activations_.assign(1, Bounded(std::vector<double>(input.begin(), input.end())));
  doubtful_.assign(input.size(), false);
  targets_.clear();
  inconclusive_ = false;
  loss_ = loss_error_ = largest_sum_ = 0;
  correct_ = 0;
  for (const Operation& operation : operations_) {
    std::visit(
        [&](const auto& work) {
          using Work = std::decay_t<decltype(work)>;
          if constexpr (std::is_same_v<Work, GatherNormalize> || std::is_same_v<Work, SoftmaxCrossEntropy>) {
            forward_one(work, indices);
          } else {
            forward_one(work);
          }
        },
        operation.work);
  }
}

/// A sum over activations mixes a doubtful one into everything.
void Oracle::forget_doubts(std::int64_t outputs) {
  inconclusive_ = inconclusive_ || std::find(doubtful_.begin(), doubtful_.end(), true) != doubtful_.end();
  doubtful_.assign(static_cast<std::size_t>(outputs), false);
}

void Oracle::forward_one(const GatherNormalize& gather, std::span<const std::int64_t> indices) {
  const std::int64_t elements = gather.sample_elements();
  Bounded y(static_cast<std::size_t>(gather.N * elements));
  for (std::int64_t n = 0; n < gather.N; ++n) {
    for (std::int64_t i = 0; i < elements; ++i) {
      const auto from = static_cast<std::size_t>(indices[static_cast<std::size_t>(n)] * elements + i);
      const auto to = static_cast<std::size_t>(n * elements + i);
      const double pixel = images_[from] / 255.0;
      y.value[to] = (pixel - gather.mean) / gather.stddev;
      // At most four roundings, on terms no larger than these, whether or not scale and shift are folded.
      y.error[to] = 4 * unit_ * (pixel + std::fabs(gather.mean)) / gather.stddev;
    }
  }
  forget_doubts(gather.N * elements);
  activations_.push_back(std::move(y));
}

void Oracle::forward_one(const Convolution& convolution) {
  const ConvolutionShape& s = convolution.shape;
  const Bounded& x = activations_.back();
  const auto weight = parameters_.subspan(static_cast<std::size_t>(convolution.weight_offset));
  const auto bias = parameters_.subspan(static_cast<std::size_t>(convolution.bias_offset));
  Bounded y(static_cast<std::size_t>(s.output_elements()));
  std::int64_t at = 0;
  for (std::int64_t n = 0; n < s.N; ++n) {
    for (std::int64_t k = 0; k < s.K; ++k) {
      for (std::int64_t p = 0; p < s.P(); ++p) {
        for (std::int64_t q = 0; q < s.Q(); ++q) {
          BoundedSum sum;
          sum.add_constant(bias[static_cast<std::size_t>(k)]);
          for (std::int64_t c = 0; c < s.C; ++c) {
            for (std::int64_t r = 0; r < s.R; ++r) {
              for (std::int64_t t = 0; t < s.S; ++t) {
                const std::int64_t h = input_position(s, p, r);
                const std::int64_t w = input_position(s, q, t);
                if (!inside(h, s.H) || !inside(w, s.W)) continue;
                sum.add_product(x, ((n * s.C + c) * s.H + h) * s.W + w,
                                weight[static_cast<std::size_t>(((k * s.C + c) * s.R + r) * s.S + t)]);
              }
            }
          }
          sum.store(y, at++, sum_unit(exact_forward_), largest_sum_);
        }
      }
    }
  }
  forget_doubts(s.output_elements());
  activations_.push_back(std::move(y));
}

void Oracle::forward_one(const Linear& linear) {
  const LinearShape& s = linear.shape;
  const Bounded& x = activations_.back();
  const auto weight = parameters_.subspan(static_cast<std::size_t>(linear.weight_offset));
  const auto bias = parameters_.subspan(static_cast<std::size_t>(linear.bias_offset));
  Bounded y(static_cast<std::size_t>(s.output_elements()));
  for (std::int64_t n = 0; n < s.N; ++n) {
    for (std::int64_t k = 0; k < s.K; ++k) {
      BoundedSum sum;
      sum.add_constant(bias[static_cast<std::size_t>(k)]);
      for (std::int64_t c = 0; c < s.C; ++c) {
        sum.add_product(x, n * s.C + c, weight[static_cast<std::size_t>(k * s.C + c)]);
      }
      sum.store(y, n * s.K + k, sum_unit(exact_forward_), largest_sum_);
    }
  }
  forget_doubts(s.output_elements());
  activations_.push_back(std::move(y));
}

void Oracle::forward_one(const Relu& /*relu*/) {
  const Bounded& x = activations_.back();
  Bounded y(x.value.size());
  for (std::size_t i = 0; i < x.value.size(); ++i) {
    if (x.error[i] > 0 && std::fabs(x.value[i]) <= x.error[i]) doubtful_[i] = true;
    // An element that is negative whatever the rounding is exactly zero for everybody.
    const bool cut = x.value[i] + x.error[i] <= 0;
    y.value[i] = std::max(x.value[i], 0.0);
    y.error[i] = cut ? 0 : x.error[i];
  }
  activations_.push_back(std::move(y));
}

void Oracle::forward_one(const MaxPool& pool) {
  const PoolShape& s = pool.shape;
  const Bounded& x = activations_.back();
  Bounded y(static_cast<std::size_t>(s.output_elements()));
  std::vector<bool> doubtful(y.value.size(), false);
  std::size_t at = 0;
  for (std::int64_t plane = 0; plane < s.N * s.C; ++plane) {
    for (std::int64_t p = 0; p < s.P(); ++p) {
      for (std::int64_t q = 0; q < s.Q(); ++q, ++at) {
        const auto best = static_cast<std::size_t>(argmax_of_window(s, x, plane, p, q));
        y.value[at] = x.value[best];
        y.error[at] = x.error[best];
        doubtful[at] = doubtful_[best];
        for (std::int64_t r = 0; r < s.window; ++r) {
          for (std::int64_t t = 0; t < s.window; ++t) {
            const auto other =
                static_cast<std::size_t>((plane * s.H + p * s.stride + r) * s.W + q * s.stride + t);
            const double slack = x.error[best] + x.error[other];
            if (other == best || slack == 0) continue;
            if (x.value[best] - x.value[other] <= slack) doubtful[at] = true;
            y.error[at] = std::max(y.error[at], x.value[other] + x.error[other] - x.value[best]);
          }
        }
      }
    }
  }
  doubtful_ = std::move(doubtful);
  activations_.push_back(std::move(y));
}

void Oracle::forward_one(const SoftmaxCrossEntropy& softmax, std::span<const std::int64_t> indices) {
  const Bounded& x = activations_.back();
  forget_doubts(static_cast<std::int64_t>(x.value.size()));
  const std::int64_t K = softmax.K;
  double magnitude = 0;
  for (std::int64_t n = 0; n < softmax.N; ++n) {
    const auto row = static_cast<std::size_t>(n * K);
    const auto label =
        static_cast<std::int64_t>(labels_[static_cast<std::size_t>(indices[static_cast<std::size_t>(n)])]);
    targets_.push_back(label);
    std::size_t best = row;
    double largest_error = 0;
    for (std::size_t i = row; i < row + static_cast<std::size_t>(K); ++i) {
      if (x.value[i] > x.value[best]) best = i;
      largest_error = std::max(largest_error, x.error[i]);
    }
    double sum = 0;
    double spread = 0;
    for (std::size_t i = row; i < row + static_cast<std::size_t>(K); ++i) {
      const double below = x.value[best] - x.value[i];
      sum += std::exp(-below);
      spread = std::max(spread, below);
      // Logits that rounding may swap leave the count of correct samples open.
      if (i != best && largest_error > 0 && below <= 2 * largest_error) inconclusive_ = true;
    }
    const double target = x.value[row + static_cast<std::size_t>(label)];
    const double log_sum = std::log(sum);
    loss_ += log_sum + x.value[best] - target;
    correct_ += best == row + static_cast<std::size_t>(label) ? 1 : 0;
    // exp(x - m): the argument loses u * spread, the function a few u; the sum K u; log and two additions the
    // rest.
    const double relative = unit_ * (spread + kTranscendentalUnits + static_cast<double>(K));
    const double terms = std::fabs(log_sum) + std::fabs(x.value[best]) + std::fabs(target);
    loss_error_ += 2 * largest_error + relative + kTranscendentalUnits * unit_ * terms;
    magnitude += terms;
  }
  loss_error_ += static_cast<double>(softmax.N) * unit_ * magnitude;  // the sum over samples
  activations_.emplace_back();
}

}  // namespace dml::test
