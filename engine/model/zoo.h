// The built-in models.
#pragma once

#include <string>
#include <vector>

#include "engine/model/spec.h"

namespace dml {

/// Names that model_by_name() accepts, simplest first.
std::vector<std::string> model_names();

/// Throws UsageError listing the known names.
ModelSpec model_by_name(const std::string& name);

}  // namespace dml
