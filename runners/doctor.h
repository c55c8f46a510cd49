// The command `doctor`: what this machine has for training, what is missing and what to do about it.
#pragma once

#include "runners/cli/environment.h"
#include "runners/cli/invocation.h"

namespace dml {

/// Prints one line per finding on stdout. Returns 0, or 69 when this machine cannot train at all.
int run_doctor(const Invocation& invocation, const Environment& environment);

}  // namespace dml
