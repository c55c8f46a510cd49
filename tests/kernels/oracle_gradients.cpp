// The backward half of the oracle.
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>
#include <variant>

#include "tests/kernels/oracle.h"
#include "tests/kernels/oracle_arithmetic.h"
#include "tests/kernels/oracle_indexing.h"

namespace dml::test {

void Oracle::store_parameter(const BoundedSum& sum, std::int64_t offset) {
  sum.store(parameter_gradients_, offset, sum_unit(exact_backward_), largest_sum_);
  terms_[static_cast<std::size_t>(offset)] = sum.terms();
}

void Oracle::backward(std::span<const double> output_gradient) {
  gradient_ = Bounded(std::vector<double>(output_gradient.begin(), output_gradient.end()));
  parameter_gradients_ = Bounded(parameters_.size());
  terms_.assign(parameters_.size(), 0);
  for (std::size_t i = operations_.size(); i-- > 0;) {
    std::visit(
        [&](const auto& work) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(work)>, GatherNormalize>) {
            backward_one(work, activations_[i]);
          }
        },
        operations_[i].work);
  }
}

Bounded Oracle::accumulated_gradients(std::span<const double> earlier) const {
  Bounded sum = parameter_gradients_;
  for (std::size_t i = 0; i < sum.value.size(); ++i) {
    sum.value[i] += earlier[i];
    // rounding(n + 1) <= 2 rounding(n) for the n terms of the gradient itself.
    sum.error[i] =
        2 * sum.error[i] + sum_rounding(terms_[i] + 1, sum_unit(exact_backward_)) * std::fabs(earlier[i]);
  }
  return sum;
}

void Oracle::backward_one(const Convolution& convolution, const Bounded& x) {
  const ConvolutionShape& s = convolution.shape;
  const Bounded dy = std::move(gradient_);
  const auto weight = parameters_.subspan(static_cast<std::size_t>(convolution.weight_offset));
  for (std::int64_t k = 0; k < s.K; ++k) {
    BoundedSum bias;
    for (std::int64_t n = 0; n < s.N; ++n) {
      for (std::int64_t i = 0; i < s.P() * s.Q(); ++i) {
        bias.add_product(dy, (n * s.K + k) * s.P() * s.Q() + i, 1.0);
      }
    }
    store_parameter(bias, convolution.bias_offset + k);
    for (std::int64_t c = 0; c < s.C; ++c) {
      for (std::int64_t r = 0; r < s.R; ++r) {
        for (std::int64_t t = 0; t < s.S; ++t) {
          BoundedSum sum;
          for (std::int64_t n = 0; n < s.N; ++n) {
            for (std::int64_t p = 0; p < s.P(); ++p) {
              for (std::int64_t q = 0; q < s.Q(); ++q) {
                const std::int64_t h = input_position(s, p, r);
                const std::int64_t w = input_position(s, q, t);
                if (!inside(h, s.H) || !inside(w, s.W)) continue;
                sum.add_product(dy, ((n * s.K + k) * s.P() + p) * s.Q() + q, x,
                                ((n * s.C + c) * s.H + h) * s.W + w);
              }
            }
          }
          store_parameter(sum, convolution.weight_offset + ((k * s.C + c) * s.R + r) * s.S + t);
        }
      }
    }
  }
  gradient_ = Bounded(x.value.size());
  std::int64_t at = 0;
  for (std::int64_t n = 0; n < s.N; ++n) {
    for (std::int64_t c = 0; c < s.C; ++c) {
      for (std::int64_t h = 0; h < s.H; ++h) {
        for (std::int64_t w = 0; w < s.W; ++w) {
          BoundedSum sum;
          for (std::int64_t k = 0; k < s.K; ++k) {
            for (std::int64_t r = 0; r < s.R; ++r) {
              for (std::int64_t t = 0; t < s.S; ++t) {
                const std::int64_t p = output_position(s, h, r, s.P());
                const std::int64_t q = output_position(s, w, t, s.Q());
                if (p < 0 || q < 0) continue;
                sum.add_product(dy, ((n * s.K + k) * s.P() + p) * s.Q() + q,
                                weight[static_cast<std::size_t>(((k * s.C + c) * s.R + r) * s.S + t)]);
              }
            }
          }
          sum.store(gradient_, at++, sum_unit(exact_backward_), largest_sum_);
        }
      }
    }
  }
}

void Oracle::backward_one(const Linear& linear, const Bounded& x) {
  const LinearShape& s = linear.shape;
  const Bounded dy = std::move(gradient_);
  const auto weight = parameters_.subspan(static_cast<std::size_t>(linear.weight_offset));
  for (std::int64_t k = 0; k < s.K; ++k) {
    BoundedSum bias;
    for (std::int64_t n = 0; n < s.N; ++n) bias.add_product(dy, n * s.K + k, 1.0);
    store_parameter(bias, linear.bias_offset + k);
    for (std::int64_t c = 0; c < s.C; ++c) {
      BoundedSum sum;
      for (std::int64_t n = 0; n < s.N; ++n) sum.add_product(dy, n * s.K + k, x, n * s.C + c);
      store_parameter(sum, linear.weight_offset + k * s.C + c);
    }
  }
  gradient_ = Bounded(x.value.size());
  for (std::int64_t n = 0; n < s.N; ++n) {
    for (std::int64_t c = 0; c < s.C; ++c) {
      BoundedSum sum;
      for (std::int64_t k = 0; k < s.K; ++k) {
        sum.add_product(dy, n * s.K + k, weight[static_cast<std::size_t>(k * s.C + c)]);
      }
      sum.store(gradient_, n * s.C + c, sum_unit(exact_backward_), largest_sum_);
    }
  }
}

void Oracle::backward_one(const Relu& /*relu*/, const Bounded& x) {
  for (std::size_t i = 0; i < x.value.size(); ++i) {
    if (x.value[i] <= 0) gradient_.value[i] = gradient_.error[i] = 0;
  }
}

void Oracle::backward_one(const MaxPool& pool, const Bounded& x) {
  const PoolShape& s = pool.shape;
  const Bounded dy = std::move(gradient_);
  gradient_ = Bounded(x.value.size());
  std::vector<std::int64_t> arrivals(x.value.size(), 0);  // overlapping windows may add into one element
  std::size_t at = 0;
  for (std::int64_t plane = 0; plane < s.N * s.C; ++plane) {
    for (std::int64_t p = 0; p < s.P(); ++p) {
      for (std::int64_t q = 0; q < s.Q(); ++q, ++at) {
        const auto best = static_cast<std::size_t>(argmax_of_window(s, x, plane, p, q));
        gradient_.value[best] += dy.value[at];
        gradient_.error[best] += dy.error[at];
        if (++arrivals[best] > 1) {
          gradient_.error[best] +=
              sum_unit(exact_backward_) * (std::fabs(gradient_.value[best]) + gradient_.error[best]);
        }
      }
    }
  }
}

void Oracle::backward_one(const SoftmaxCrossEntropy& softmax, const Bounded& x) {
  const std::int64_t K = softmax.K;
  gradient_ = Bounded(x.value.size());
  for (std::int64_t n = 0; n < softmax.N; ++n) {
    const auto begin = static_cast<std::size_t>(n * K);
    const std::size_t end = begin + static_cast<std::size_t>(K);
    double largest = x.value[begin];
    double largest_error = 0;
    for (std::size_t i = begin; i < end; ++i) {
      largest = std::max(largest, x.value[i]);
      largest_error = std::max(largest_error, x.error[i]);
    }
    double sum = 0;
    double spread = 0;
    for (std::size_t i = begin; i < end; ++i) {
      sum += std::exp(x.value[i] - largest);
      spread = std::max(spread, largest - x.value[i]);
    }
    for (std::size_t i = begin; i < end; ++i) {
      const double probability = std::exp(x.value[i] - largest) / sum;
      const bool target = i == begin + static_cast<std::size_t>(targets_[static_cast<std::size_t>(n)]);
      gradient_.value[i] = probability - (target ? 1 : 0);
      const double relative = unit_ * (2 * spread + 2 * kTranscendentalUnits + static_cast<double>(K) + 2);
      gradient_.error[i] =
          probability * (std::expm1(2 * largest_error) + relative) + (target ? unit_ : 0) + kSmallestNormal;
    }
  }
}

}  // namespace dml::test
