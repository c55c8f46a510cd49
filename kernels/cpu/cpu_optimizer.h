// SGD and Adam over a range of the arena: one pass, fp32, scalars prepared in double.
#pragma once

#include <memory>

#include "kernels/base/backend.h"

namespace dml::cpu {

std::unique_ptr<Optimizer> make_cpu_optimizer(int threads, const OptimizerOptions& options,
                                              ParameterBinding& parameters, View state, std::int64_t first,
                                              std::int64_t count);

}  // namespace dml::cpu
