// The stages every backend is tested on: each operation alone over the shapes of problem_shapes.h, the runs
// that fused kernels claim, and short models.
#pragma once

#include <gtest/gtest.h>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/base/operation.h"
#include "tests/kernels/problem_shapes.h"

namespace dml::test {

/// A list of operations with its place in an arena that holds other parameters too.
struct StageCase {
  std::string name;
  std::vector<Operation> operations;
  std::int64_t arena_elements = 0;
  std::int64_t first_parameter = 0;  ///< the stage owns [first_parameter, first_parameter + parameters)
  std::int64_t parameters = 0;
};

/// For messages of parameterised tests.
inline void PrintTo(const StageCase& stage, std::ostream* out) {
  *out << stage.name;
}  // NOLINT: GoogleTest's name

/// One tensor of a stage's parameters; a weight has `fan_in` products per output, and its bias the same
/// number.
struct ParameterTensor {
  std::string name;  ///< "conv1 weight"
  std::int64_t offset = 0, elements = 0, fan_in = 0;
};

std::vector<ParameterTensor> parameter_tensors(const StageCase& stage);

/// Builds a StageCase operation by operation; each takes the shape the one before it leaves.
class StageBuilder {
 public:
  /// A stage whose input (N,C,H,W) is written by the caller.
  StageBuilder(std::string name, std::int64_t N, std::int64_t C, std::int64_t H, std::int64_t W);

  /// The input is read from the data set; first or absent.
  StageBuilder& gather(double mean, double stddev);
  StageBuilder& convolution(std::int64_t K, std::int64_t R, std::int64_t S, std::int64_t stride = 1,
                            std::int64_t padding = 0, std::int64_t dilation = 1);
  StageBuilder& relu();
  StageBuilder& max_pool(std::int64_t window, std::int64_t stride);
  StageBuilder& linear(std::int64_t K);
  StageBuilder& softmax_cross_entropy();
  [[nodiscard]] StageCase build() const;

 private:
  void add(std::string layer, decltype(Operation::work) work);
  std::int64_t allocate(std::int64_t elements);

  StageCase stage_;
  std::int64_t N_, C_, H_, W_;
  int convolutions_ = 0, linears_ = 0;
};

/// Every stage a backend has to get right.
std::vector<StageCase> stage_cases();

/// Shapes whose results have as many tiles as those of large batches and models, for backends that choose
/// their kernels by that: at least 32 tiles of 64x64 with a rest at both sides, in each product of a
/// convolution and of a linear layer; the first with its reduction split as well.
std::vector<StageCase> many_tiles_cases();

/// For INSTANTIATE_TEST_SUITE_P.
std::string stage_case_name(const ::testing::TestParamInfo<StageCase>& info);

}  // namespace dml::test
