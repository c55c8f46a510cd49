#include "kernels/cpu/cpu_executable.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/cpu/candidates.h"
#include "kernels/cpu/threads.h"

namespace dml::cpu {
namespace {

/// The dimensions of what the first operation reads.
dnnl::memory::dims input_dims(const Operation& operation) {
  struct Dims {
    dnnl::memory::dims operator()(const GatherNormalize& /*none*/) const { return {}; }
    dnnl::memory::dims operator()(const Convolution& c) const {
      return {c.shape.N, c.shape.C, c.shape.H, c.shape.W};
    }
    dnnl::memory::dims operator()(const Linear& l) const { return {l.shape.N, l.shape.C}; }
    dnnl::memory::dims operator()(const Relu& r) const { return {1, r.elements}; }
    dnnl::memory::dims operator()(const MaxPool& p) const {
      return {p.shape.N, p.shape.C, p.shape.H, p.shape.W};
    }
    dnnl::memory::dims operator()(const SoftmaxCrossEntropy& s) const { return {s.N, s.K}; }
  };
  return std::visit(Dims(), operation.work);
}

bool reads_samples(const Operation& operation) {
  return std::holds_alternative<GatherNormalize>(operation.work) ||
         std::holds_alternative<SoftmaxCrossEntropy>(operation.work);
}

bool all_finite(const dnnl::memory& memory) {
  const float* const values = floats(memory);
  return std::all_of(values, values + float_count(memory), [](float value) { return std::isfinite(value); });
}

}  // namespace

CpuExecutable::CpuExecutable(const Onednn& onednn, int threads, std::span<const Operation> operations,
                             ParameterBinding& parameters, const DataBinding& data,
                             const CompileOptions& options)
    : onednn_(onednn),
      threads_(threads),
      options_(options),
      packed_(PackedWeights::of(parameters)),
      sample_indices_(std::any_of(operations.begin(), operations.end(), reads_samples)
                          ? static_cast<std::size_t>(sample_count(operations))
                          : 0),
      stage_{onednn_,         parameters,       data,    *packed_, scratchpad_,
             sample_indices_, options.training, threads, {},       true} {
  const ThreadScope team(threads_);
  compile_forward(operations);
  if (options_.training) compile_backward(options_.input_gradient);
  scratchpad_.allocate_all(onednn_);
}

void CpuExecutable::compile_forward(std::span<const Operation> operations) {
  const std::array candidates = {lanes_gather(),       gather(),        lanes_convolution(),
                                 onednn_convolution(), onednn_linear(), relu_max_pool(),
                                 max_pool(),           relu(),          softmax_cross_entropy()};
  const dnnl::memory::dims dims = input_dims(operations.front());
  if (!dims.empty()) input_ = allocate(onednn_, plain_layout(dims));
  stage_.current = input_;
  steps_ = lower<StageContext>(operations, candidates, stage_, options_.kernels);
  to_plain_output_ = Conversion(stage_, stage_.current, plain_layout(dims_of(stage_.current.get_desc())));
  output_ = to_plain_output_.result();
}

void CpuExecutable::compile_backward(bool want_input_gradient) {
  dnnl::memory gradient;
  if (stage_.loss == nullptr) {
    output_gradient_ = allocate(onednn_, output_.get_desc());
    gradient = output_gradient_;
  }
  // A step hands a gradient down as long as a step before it, or the caller, has a use for one.
  const auto first_user =
      std::find_if(steps_.begin(), steps_.end(), [](const auto& step) { return step->has_parameters(); });
  const bool caller_wants_it = want_input_gradient && !is_empty(input_);
  const auto first = caller_wants_it ? std::size_t{0} : static_cast<std::size_t>(first_user - steps_.begin());
  first_backward_step_ = std::min(first, steps_.size());
  for (std::size_t i = steps_.size(); i-- > first_backward_step_;) {
    gradient = steps_[i]->compile_backward(gradient, i > first_backward_step_ || caller_wants_it);
  }
  if (!caller_wants_it) return;
  to_plain_input_gradient_ = Conversion(stage_, gradient, input_.get_desc());
  input_gradient_ = to_plain_input_gradient_.result();
}

void CpuExecutable::run(Phase phase, Stream& /*stream*/) {
  const ThreadScope team(threads_);
  if (phase == Phase::forward) {
    for (const auto& step : steps_) step->forward();
    to_plain_output_.run(onednn_.stream);
    return;
  }
  DML_ASSERT(options_.training, "backward() of a stage that was compiled for inference");
  for (std::size_t i = steps_.size(); i-- > first_backward_step_;) {
    steps_[i]->backward(phase == Phase::backward_accumulate);
  }
  to_plain_input_gradient_.run(onednn_.stream);
}

LossResult CpuExecutable::loss() {
  DML_ASSERT(stage_.loss != nullptr, "loss() of a stage that does not end in one");
  return stage_.loss->result();
}

std::string CpuExecutable::first_non_finite_layer() {
  for (const auto& step : steps_) {
    if (!all_finite(step->output())) return step->layer();
  }
  return {};
}

bool CpuExecutable::output_is_finite() {
  return all_finite(output_);
}

std::string CpuExecutable::description() const {
  std::string lines;
  for (const auto& step : steps_) lines += step->layer() + ": " + step->description() + "\n";
  return lines;
}

View CpuExecutable::view_of_memory(const dnnl::memory& memory) {
  if (is_empty(memory)) return {};
  return {memory.get_data_handle(), float_count(memory), DType::f32};
}

}  // namespace dml::cpu
