// A stage compiled on the backend under test, together with the memory that the engine would own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/base/backend.h"
#include "tests/kernels/compare.h"
#include "tests/kernels/stage_inputs.h"

namespace dml::test {

/// A stage compiled on the backend under test, with the memory the engine would own.
class Subject {
 public:
  Subject(Backend& backend, const StageCase& stage, const Inputs& inputs, CompileOptions options)
      : values_(backend.allocate(stage.arena_elements, "parameters")),
        gradients_(backend.allocate(stage.arena_elements, "gradients")),
        stream_(backend.make_stream()),
        inputs_(inputs),
        data_{inputs.images, inputs.labels, {}} {
    binding_.values = values_.view;
    binding_.gradients = gradients_.view;
    set_parameters(std::vector<double>(static_cast<std::size_t>(stage.arena_elements), 0.25));
    executable_ = backend.compile(stage.operations, binding_, data_, options);
  }

  Executable& executable() { return *executable_; }

  void set_parameters(std::span<const double> parameters) {
    write_doubles(parameters, values_.view, *stream_);
    ++binding_.version;
  }
  void set_gradients(std::span<const double> gradients) {
    write_doubles(gradients, gradients_.view, *stream_);
  }

  void forward() {
    const auto indices = executable_->sample_indices();
    std::copy(inputs_.indices.begin(), inputs_.indices.end(), indices.begin());
    write_doubles(inputs_.input, executable_->input(), *stream_);
    executable_->run(Phase::forward, *stream_);
    stream_->synchronize();
  }
  void backward(Phase phase, std::span<const double> output_gradient) {
    write_doubles(output_gradient, executable_->output_gradient(), *stream_);
    executable_->run(phase, *stream_);
    stream_->synchronize();
  }

  [[nodiscard]] std::vector<double> parameters() const { return to_doubles(values_.view, *stream_); }
  [[nodiscard]] std::vector<double> gradients() const { return to_doubles(gradients_.view, *stream_); }
  [[nodiscard]] std::vector<double> output() { return to_doubles(executable_->output(), *stream_); }
  [[nodiscard]] std::vector<double> input_gradient() {
    return to_doubles(executable_->input_gradient(), *stream_);
  }

 private:
  Buffer values_, gradients_;
  std::unique_ptr<Stream> stream_;
  const Inputs& inputs_;
  ParameterBinding binding_;
  DataBinding data_;
  std::unique_ptr<Executable> executable_;
};

}  // namespace dml::test
