// The command `evaluate`: the test split through a trained model, each sample exactly once, in any mode.
#pragma once

#include "runners/cli/invocation.h"
#include "runners/launch/rank_context.h"

namespace dml {

/// Runs on one rank; returns the process's exit code. Throws UsageError without --init-from.
int run_evaluate(const Invocation& invocation, const RankContext& context);

}  // namespace dml
