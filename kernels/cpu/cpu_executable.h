// A stage compiled for the CPU: a chain of steps, their buffers and the views at its ends.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/backend.h"
#include "kernels/base/buffer.h"
#include "kernels/cpu/step.h"

namespace dml::cpu {

class CpuExecutable final : public Executable {
 public:
  /// At least one sample; EmptyExecutable is for none.
  CpuExecutable(const Onednn& onednn, int threads, std::span<const Operation> operations,
                ParameterBinding& parameters, const DataBinding& data, const CompileOptions& options);

  void run(Phase phase, Stream& stream) override;
  [[nodiscard]] std::span<std::int64_t> sample_indices() override { return sample_indices_; }
  [[nodiscard]] View input() override { return view_of_memory(input_); }
  [[nodiscard]] View output() override { return view_of_memory(output_); }
  [[nodiscard]] View output_gradient() override { return view_of_memory(output_gradient_); }
  [[nodiscard]] View input_gradient() override { return view_of_memory(input_gradient_); }
  [[nodiscard]] LossResult loss() override;
  [[nodiscard]] std::string first_non_finite_layer() override;
  [[nodiscard]] bool output_is_finite() override;
  [[nodiscard]] std::string description() const override;

  /// The steps in forward order, for a benchmark that times them one by one.
  [[nodiscard]] std::span<const std::unique_ptr<Step>> steps() const { return steps_; }

 private:
  void compile_forward(std::span<const Operation> operations);
  void compile_backward(bool want_input_gradient);
  static View view_of_memory(const dnnl::memory& memory);

  Onednn onednn_;
  int threads_;
  CompileOptions options_;
  Scratchpad scratchpad_;
  std::shared_ptr<PackedWeights> packed_;
  std::vector<std::int64_t> sample_indices_;
  StageContext stage_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::size_t first_backward_step_ = 0;  ///< no step before it has a use for a gradient

  dnnl::memory input_, output_, output_gradient_, input_gradient_;  ///< plain; empty where there is none
  Conversion to_plain_output_, to_plain_input_gradient_;
};

}  // namespace dml::cpu
