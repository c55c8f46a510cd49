#include "kernels/base/lowering.h"

#include <type_traits>
#include <variant>

namespace dml {
namespace {

/// "16x5x5"
std::string dimensions(std::initializer_list<std::int64_t> sizes) {
  std::string text;
  for (const std::int64_t size : sizes) {
    if (!text.empty()) text += 'x';
    text += std::to_string(size);
  }
  return text;
}

std::string describe_work(const GatherNormalize& gather) {
  return "gather of " + dimensions({gather.C, gather.H, gather.W}) + " images";
}

std::string describe_work(const Convolution& convolution) {
  const ConvolutionShape& s = convolution.shape;
  std::string text = "convolution " + dimensions({s.C, s.H, s.W}) + " -> " + dimensions({s.K, s.P(), s.Q()}) +
                     ", filter " + dimensions({s.R, s.S});
  if (s.stride != 1) text += ", stride " + std::to_string(s.stride);
  if (s.padding != 0) text += ", padding " + std::to_string(s.padding);
  if (s.dilation != 1) text += ", dilation " + std::to_string(s.dilation);
  return text;
}

std::string describe_work(const Linear& linear) {
  return "linear " + std::to_string(linear.shape.C) + " -> " + std::to_string(linear.shape.K);
}

std::string describe_work(const Relu& /*relu*/) {
  return "ReLU";
}

std::string describe_work(const MaxPool& pool) {
  const PoolShape& s = pool.shape;
  return "max pool " + dimensions({s.C, s.H, s.W}) + " -> " + dimensions({s.C, s.P(), s.Q()}) + ", window " +
         std::to_string(s.window) + ", stride " + std::to_string(s.stride);
}

std::string describe_work(const SoftmaxCrossEntropy& softmax) {
  return "softmax cross-entropy over " + std::to_string(softmax.K) + " classes";
}

// The rule that a shape breaks, as half a sentence with its numbers; empty when it breaks none.

std::string broken_rule(const GatherNormalize& gather) {
  if (gather.N < 0 || gather.C < 1 || gather.H < 1 || gather.W < 1) return "an image has at least one pixel";
  if (!(gather.stddev > 0)) return "pixels are divided by a standard deviation, which has to be positive";
  return {};
}

std::string broken_rule(const Convolution& convolution) {
  const ConvolutionShape& s = convolution.shape;
  if (s.N < 0 || s.C < 1 || s.H < 1 || s.W < 1) return "the input has at least one element per sample";
  if (s.K < 1 || s.R < 1 || s.S < 1) return "a convolution has at least one filter of at least 1x1";
  if (s.stride < 1 || s.dilation < 1) return "stride and dilation are at least 1";
  if (s.padding < 0) return "padding is not negative";
  // P() and Q() divide, and integers round towards zero: they cannot answer this.
  const std::int64_t rows = s.dilation * (s.R - 1) + 1;
  const std::int64_t columns = s.dilation * (s.S - 1) + 1;
  if (rows > s.H + 2 * s.padding || columns > s.W + 2 * s.padding) {
    return "the filter covers " + dimensions({rows, columns}) + " but the padded input is only " +
           dimensions({s.H + 2 * s.padding, s.W + 2 * s.padding}) +
           "; use a smaller filter, more padding or fewer pools before it";
  }
  return {};
}

std::string broken_rule(const Linear& linear) {
  if (linear.shape.N < 0 || linear.shape.C < 1 || linear.shape.K < 1) {
    return "a linear layer has at least one input and one output, not " + std::to_string(linear.shape.C) +
           " -> " + std::to_string(linear.shape.K);
  }
  return {};
}

std::string broken_rule(const Relu& relu) {
  return relu.elements < 0 ? "the number of elements is not negative" : std::string();
}

std::string broken_rule(const MaxPool& pool) {
  const PoolShape& s = pool.shape;
  if (s.N < 0 || s.C < 1) return "the input has at least one element per sample";
  if (s.window < 1 || s.stride < 1) return "window and stride are at least 1";
  if (s.window > s.H || s.window > s.W) {
    return "the pool's window of " + dimensions({s.window, s.window}) + " is larger than its input of " +
           dimensions({s.H, s.W}) + "; use a smaller window or fewer pools before it";
  }
  return {};
}

std::string broken_rule(const SoftmaxCrossEntropy& softmax) {
  return softmax.N < 0 || softmax.K < 1 ? "a loss needs at least one class" : std::string();
}

}  // namespace

bool allows(KernelChoice choice, Origin origin) {
  return origin == Origin::only || choice == KernelChoice::automatic ||
         (choice == KernelChoice::custom) == (origin == Origin::custom);
}

UsageError no_kernel_for(const Operation& operation, KernelChoice choice, const std::string& rule,
                         bool by_others) {
  const std::string what = "layer " + operation.layer + ": ";
  const std::string work = " computes a " + describe(operation);
  const std::string because = rule.empty() ? "" : " (" + rule + ")";
  const std::string elsewhere = "; change the layer or choose another --device";
  if (choice == KernelChoice::automatic) {
    return UsageError(what + "no kernel of this device" + work + because + elsewhere);
  }
  const std::string whose = choice == KernelChoice::custom ? "no kernel of our own" : "no library's kernel";
  return UsageError("--kernels " + to_string(choice) + ": " + what + whose + work + " on this device" +
                    because + (by_others ? "; write --kernels auto" : elsewhere));
}

std::string describe(const Operation& operation) {
  return std::visit([](const auto& work) { return describe_work(work); }, operation.work);
}

std::int64_t input_elements(const Operation& operation) {
  return std::visit(
      [](const auto& work) -> std::int64_t {
        using Work = std::decay_t<decltype(work)>;
        if constexpr (std::is_same_v<Work, GatherNormalize>) {
          return 0;
        } else if constexpr (std::is_same_v<Work, Relu>) {
          return work.elements;
        } else if constexpr (std::is_same_v<Work, SoftmaxCrossEntropy>) {
          return work.N * work.K;
        } else {
          return work.shape.input_elements();
        }
      },
      operation.work);
}

std::int64_t output_elements(const Operation& operation) {
  return std::visit(
      [](const auto& work) -> std::int64_t {
        using Work = std::decay_t<decltype(work)>;
        if constexpr (std::is_same_v<Work, GatherNormalize>) {
          return work.N * work.sample_elements();
        } else if constexpr (std::is_same_v<Work, Relu>) {
          return work.elements;
        } else if constexpr (std::is_same_v<Work, SoftmaxCrossEntropy>) {
          return 0;
        } else {
          return work.shape.output_elements();
        }
      },
      operation.work);
}

std::int64_t sample_count(std::span<const Operation> operations) {
  for (const Operation& operation : operations) {
    const std::int64_t samples = std::visit(
        [](const auto& work) -> std::int64_t {
          if constexpr (requires { work.N; }) {
            return work.N;
          } else if constexpr (requires { work.shape.N; }) {
            return work.shape.N;
          } else {
            return -1;  // a ReLU knows its elements only
          }
        },
        operation.work);
    if (samples >= 0) return samples;
  }
  return input_elements(operations.front()) == 0 ? 0 : 1;
}

void check_operations(std::span<const Operation> operations) {
  DML_ASSERT(!operations.empty(), "a stage without operations");
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Operation& operation = operations[i];
    const std::string rule = std::visit([](const auto& work) { return broken_rule(work); }, operation.work);
    if (!rule.empty()) throw UsageError("layer " + operation.layer + ": " + rule);
    DML_ASSERT(i == 0 || !std::holds_alternative<GatherNormalize>(operation.work),
               "a gather that is not first");
    DML_ASSERT(i + 1 == operations.size() || !std::holds_alternative<SoftmaxCrossEntropy>(operation.work),
               "a loss that is not last");
    DML_ASSERT(i == 0 || output_elements(operations[i - 1]) == input_elements(operation),
               "layer " + operation.layer + " reads " + std::to_string(input_elements(operation)) +
                   " elements, but " + std::to_string(output_elements(operations[i - 1])) + " are written");
  }
}

}  // namespace dml
