// Reads the samples of a batch from the resident u8 data set and normalises them.
//
//   y[n,i] = (images[index[n], i] / 255 - mean) / stddev          images (samples, C*H*W) u8, y (N,C,H,W)
//
// Pixels are data, so there is no gradient. An index outside the data set is a broken invariant of whoever
// chose it.
#pragma once

#include "kernels/reference/kernel.h"

namespace dml::reference {

Candidate gather_normalize();

}  // namespace dml::reference
