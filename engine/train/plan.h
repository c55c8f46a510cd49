// Lowers a range of a model's layers to the operations a backend compiles.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model/parameters.h"
#include "engine/model/spec.h"
#include "engine/parallel/topology.h"
#include "kernels/base/operation.h"

namespace dml {

/// How u8 pixels become inputs: (pixel / 255 - mean) / stddev.
struct Normalization {
  double mean = 0, stddev = 1;
};

/// The operations of `stage` for `samples` samples, in forward order. The first stage begins with the gather
/// from the resident data set; the last one ends in the loss. Offsets are those of the whole model's arena.
std::vector<Operation> lower(const ModelSpec& model, const ParameterLayout& layout, const Stage& stage,
                             std::int64_t samples, const Normalization& normalization);

}  // namespace dml
