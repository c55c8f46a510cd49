// Trained weights as a safetensors file with the names, layouts and types that PyTorch has.
#pragma once

#include <string>

#include "engine/train/session.h"

namespace dml {

/// Collective: reads `path` on rank 0 into every rank's parameters. f32 and f64 files serve both precisions.
/// Throws IoError when the file cannot be read, DataError naming file and tensor when it is not this model.
void load_weights(Session& session, const std::string& path);

/// Writes the parameters (after Session::gather_parameters()), atomically. One rank calls it. Throws IoError.
void save_weights(Session& session, const std::string& path);

}  // namespace dml
