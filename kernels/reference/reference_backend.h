// The reference: every operation in double precision, as plain loops over NCHW buffers.
//
// It is the oracle of the tests and a full plan of its own (`--precision fp64`), in which parallel training
// can be compared with training on one device without the noise of fp32. It is written to be obviously right
// and only then quick: one file per operation, one kernel per operation, nothing fused, nothing packed, no
// threads. Sums run in one fixed order, so the same inputs give the same bits.
#pragma once

#include <memory>

#include "kernels/base/backend.h"

namespace dml {

/// A backend of type f64. Supports every operation and every shape that check_operations() lets through.
std::unique_ptr<Backend> make_reference_backend();

}  // namespace dml
