// Max pooling over square windows without padding.
//
//   y[n,c,p,q] = max over r, t < window of x[n,c, p * stride + r, q * stride + t]      x (N,C,H,W), y
//   (N,C,P,Q)
//
// Rows and columns that fill no whole window are dropped. The first maximum in row-major order wins a tie,
// and the whole gradient of a window goes to its winner; windows that overlap add up:
//
//   dx[i] = sum of dy over the windows whose winner is i
#pragma once

#include "kernels/reference/kernel.h"

namespace dml::reference {

Candidate max_pool();

}  // namespace dml::reference
