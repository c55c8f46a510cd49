// The command `demo`: the same network trained in every mode, compared in two tables.
//
//   same computation    one global batch in every mode: what does each way of splitting cost or buy?
//   same load per rank  as many samples per rank as single has: how does throughput grow?
//
// Every figure comes from a run of this same program with --json, started as a user would start it; runs
// follow one another, so that none disturbs the next.
#pragma once

#include "runners/cli/environment.h"
#include "runners/cli/invocation.h"

namespace dml {

/// Returns 0, or the exit code of the run that failed.
int run_demo(const Invocation& invocation, const Environment& environment);

}  // namespace dml
