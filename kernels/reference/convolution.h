// Two-dimensional convolution (cross-correlation, as the field means it) with bias.
//
//   y[n,k,p,q] = b[k] + sum_{c,r,s} w[k,c,r,s] * x[n,c,h,w],   h = p * stride + r * dilation - padding, w
//   likewise
//
// x (N,C,H,W), w (K,C,R,S), b (K), y (N,K,P,Q); an h or w outside the image reads 0. Gradients, from dy =
// d(loss)/dy:
//
//   db[k]         = sum_{n,p,q} dy[n,k,p,q]
//   dw[k,c,r,s]   = sum_{n,p,q} dy[n,k,p,q] * x[n,c,h,w]
//   dx[n,c,h,w]   = sum over the (k,r,s,p,q) whose h and w these are, of w[k,c,r,s] * dy[n,k,p,q]
//
// All three walk the same way: for each filter tap (r,s), the outputs whose input lies inside the image form
// a rectangle of (p,q), and along its rows both tensors are contiguous (up to the stride).
#pragma once

#include "kernels/reference/kernel.h"

namespace dml::reference {

Candidate convolution();

}  // namespace dml::reference
