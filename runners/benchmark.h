// The command `benchmark`: how long a training step takes, with its spread and where the time goes.
//
// After --warmup-steps untimed steps come --rounds rounds of --steps steps; every rank begins a round at the
// same time (barrier). Figures are medians over rounds; the spread is that of the rounds. Training goes on
// through all of it, on the real data in the real order, so nothing is measured on zeros.
#pragma once

#include "runners/cli/invocation.h"
#include "runners/launch/rank_context.h"

namespace dml {

/// Runs on one rank; returns the process's exit code.
int run_benchmark(const Invocation& invocation, const RankContext& context);

}  // namespace dml
