// The command `train`.
//
//   rank 0        headline, progress, checkpoints, result, weights, run directory
//   other ranks   the same training; their own log
//
// A stop signal ends the run at the same step on every rank: with a run directory a checkpoint is written and
// the exit code is 75, otherwise 130 or 143.
#pragma once

#include "runners/cli/invocation.h"
#include "runners/launch/rank_context.h"

namespace dml {

/// Runs on one rank; returns the process's exit code. Throws the engine's errors.
int run_train(const Invocation& invocation, const RankContext& context);

}  // namespace dml
