// The learning rate of a step: a pure function, so that a resumed run continues where it was.
#pragma once

#include <cstdint>

#include "engine/run/run_config.h"

namespace dml {

/// `step` and `epoch` count from 0; `total_steps` is the length of the whole run. See LearningRateOptions.
double learning_rate(const LearningRateOptions& options, std::int64_t step, std::int64_t epoch,
                     std::int64_t total_steps);

}  // namespace dml
