// The update rules of kernels/base/optimizer.h in double precision, one parameter at a time.
//
// State values of parameter i: slot 0 is m, slot 1 is v, at state[slot * arena + i].
#pragma once

#include <memory>

#include "kernels/base/backend.h"

namespace dml::reference {

/// Arguments as for Backend::make_optimizer(); all views are f64.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, ParameterBinding& parameters,
                                          const View& state, std::int64_t first, std::int64_t count);

}  // namespace dml::reference
