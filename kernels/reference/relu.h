// Rectified linear unit, element by element.
//
//   y = max(x, 0)        dx = dy where y > 0, else 0        (the derivative at 0 is taken as 0)
//
// A NaN stays a NaN, so that a broken activation is found where it arose.
#pragma once

#include "kernels/reference/kernel.h"

namespace dml::reference {

Candidate relu();

}  // namespace dml::reference
