// `study`: runs a grid of trainings, keeps every result, and reports what they show.
//
// Each run is a `train` of this program in a process of its own, one at a time, so that they do not disturb
// each other. A run is recorded before the next begins; the same command goes on where it was stopped.
#pragma once

#include "runners/cli/environment.h"
#include "runners/cli/invocation.h"

namespace dml {

/// Returns the exit code: 0 done, 75 stopped by a signal. Throws UsageError before anything is run when the
/// study cannot be, and the error of a run that failed for another reason than its loss.
int run_study(const Invocation& invocation, const Environment& environment);

}  // namespace dml
