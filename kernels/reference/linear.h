// Fully connected layer.
//
//   y[n,k] = b[k] + sum_c x[n,c] * w[k,c]          x (N,C), w (K,C), b (K), y (N,K)
//
// An (N,C,H,W) producer is read as (N, C*H*W): its NCHW buffer already is that matrix. Gradients:
//
//   db[k] = sum_n dy[n,k]      dw[k,c] = sum_n dy[n,k] * x[n,c]      dx[n,c] = sum_k dy[n,k] * w[k,c]
#pragma once

#include "kernels/reference/kernel.h"

namespace dml::reference {

Candidate linear();

}  // namespace dml::reference
