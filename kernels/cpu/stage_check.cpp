#include "kernels/cpu/stage_check.h"

#include <string>

#include "kernels/base/error.h"

namespace dml::cpu {
namespace {

struct SizeOf {
  OperationSize operator()(const GatherNormalize& g) const { return {g.N, 0, g.N * g.sample_elements()}; }
  OperationSize operator()(const Convolution& c) const {
    return {c.shape.N, c.shape.input_elements(), c.shape.output_elements()};
  }
  OperationSize operator()(const Linear& l) const {
    return {l.shape.N, l.shape.input_elements(), l.shape.output_elements()};
  }
  OperationSize operator()(const Relu& r) const { return {-1, r.elements, r.elements}; }
  OperationSize operator()(const MaxPool& p) const {
    return {p.shape.N, p.shape.input_elements(), p.shape.output_elements()};
  }
  OperationSize operator()(const SoftmaxCrossEntropy& s) const { return {s.N, s.N * s.K, s.N * s.K}; }
};

void require(bool holds, const Operation& operation, const std::string& rule) {
  if (!holds) throw UsageError("layer " + operation.layer + " cannot be compiled for the CPU: " + rule);
}

void check_shape(const Operation& operation) {
  if (const auto* const c = std::get_if<Convolution>(&operation.work)) {
    const ConvolutionShape& s = c->shape;
    require(s.N >= 0 && s.C > 0 && s.K > 0 && s.R > 0 && s.S > 0 && s.stride > 0 && s.padding >= 0 &&
                s.dilation > 0,
            operation, "channels, filter, stride and dilation must be positive");
    require(s.H + 2 * s.padding >= s.dilation * (s.R - 1) + 1 &&
                s.W + 2 * s.padding >= s.dilation * (s.S - 1) + 1,
            operation, "the filter is larger than the padded input");
  } else if (const auto* const p = std::get_if<MaxPool>(&operation.work)) {
    const PoolShape& s = p->shape;
    require(s.N >= 0 && s.C > 0 && s.window > 0 && s.stride > 0, operation,
            "channels, window and stride must be positive");
    require(s.H >= s.window && s.W >= s.window, operation, "the pooling window is larger than the input");
  } else if (const auto* const l = std::get_if<Linear>(&operation.work)) {
    require(l->shape.N >= 0 && l->shape.C > 0 && l->shape.K > 0, operation, "features must be positive");
  }
}

}  // namespace

OperationSize size_of(const Operation& operation) {
  return std::visit(SizeOf(), operation.work);
}

std::int64_t check_stage(std::span<const Operation> operations) {
  if (operations.empty()) throw UsageError("a stage without operations cannot be compiled");
  std::int64_t samples = -1;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Operation& operation = operations[i];
    check_shape(operation);
    const OperationSize size = size_of(operation);
    const bool gathers = std::holds_alternative<GatherNormalize>(operation.work);
    require(!gathers || i == 0, operation, "a gather must be the first operation of its stage");
    require(!std::holds_alternative<SoftmaxCrossEntropy>(operation.work) || i + 1 == operations.size(),
            operation, "a loss must be the last operation of its stage");
    require(i == 0 || size.input_elements == size_of(operations[i - 1]).output_elements, operation,
            "it reads " + std::to_string(size.input_elements) +
                " elements, but the operation before it writes " +
                (i == 0 ? std::string("none") : std::to_string(size_of(operations[i - 1]).output_elements)));
    require(samples < 0 || size.samples < 0 || size.samples == samples, operation,
            "it has another number of samples than the operations before it");
    if (size.samples >= 0) samples = size.samples;
  }
  // A stage of nothing but ReLUs says how many elements it has, not how many samples: one will do.
  if (samples < 0) return size_of(operations.front()).input_elements == 0 ? 0 : 1;
  return samples;
}

}  // namespace dml::cpu
