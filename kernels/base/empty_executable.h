// A stage of no samples, on any backend: it computes nothing, and its parameter gradients are zero.
#pragma once

#include <string>
#include <vector>

#include "kernels/base/backend.h"

namespace dml {

class EmptyExecutable final : public Executable {
 public:
  EmptyExecutable(std::span<const Operation> operations, ParameterBinding& parameters)
      : operations_(operations.begin(), operations.end()), parameters_(parameters) {}

  void run(Phase phase, Stream& stream) override;
  [[nodiscard]] std::span<std::int64_t> sample_indices() override { return {}; }
  [[nodiscard]] View input() override { return {}; }
  [[nodiscard]] View output() override { return {}; }
  [[nodiscard]] View output_gradient() override { return {}; }
  [[nodiscard]] View input_gradient() override { return {}; }
  [[nodiscard]] LossResult loss() override { return {}; }
  [[nodiscard]] std::string first_non_finite_layer() override { return {}; }
  [[nodiscard]] bool output_is_finite() override { return true; }
  [[nodiscard]] std::string description() const override { return "nothing: no samples\n"; }

 private:
  std::vector<Operation> operations_;
  ParameterBinding& parameters_;
};

}  // namespace dml
