// Runs small stages on any backend and compares everything it computes with the oracle.
//
//   class CpuOperations : public testing::TestWithParam<StageCase> {};
//   TEST_P(CpuOperations, MatchesOracle) {
//     const auto backend = make_cpu_backend(...);
//     EXPECT_TRUE(check_stage(*backend, GetParam(), Values::small_integers));
//     EXPECT_TRUE(check_stage(*backend, GetParam(), Values::reals));
//   }
//   INSTANTIATE_TEST_SUITE_P(Stages, CpuOperations, testing::ValuesIn(stage_cases()), stage_case_name);
//
// The stages are the operations alone over the shapes of problem_shapes.h, the runs that fused kernels claim,
// and short models. check_stage() covers every promise of kernels/base/backend.h that a single stage can
// show.
#pragma once

#include <gtest/gtest.h>

#include "kernels/base/backend.h"
#include "tests/kernels/stage_cases.h"
#include "tests/kernels/stage_inputs.h"

namespace dml::test {

/// Compiles the stage on `backend` and compares, with and without input gradient and for inference:
///  - forward output, loss, count of correct samples, again after new weights with a new version;
///  - backward over gradients full of NaN (they are overwritten), backward_accumulate on top of known
///  gradients;
///  - the input gradient; the rest of the arena, which stays untouched; a repetition, which gives the same
///  bits.
/// A stage that starts with a gather has no integers to offer: for those it is run with other real numbers.
::testing::AssertionResult check_stage(Backend& backend, const StageCase& stage, Values values,
                                       KernelChoice kernels = KernelChoice::automatic);

/// The promises that need no shape list: which views are empty, which layer holds an infinity, which indices
/// and shapes are refused with which error, that description() has a line for every operation's layer.
void check_promises(Backend& backend);

/// Every rule of optimizer.h over sub-ranges of an arena for several steps, against its formula written out
/// in double.
void check_optimizers(Backend& backend);

}  // namespace dml::test
