// Softmax with cross-entropy against integer labels: the loss, and where the backward pass begins.
//
//   loss_n = log(sum_k exp(x[n,k])) - x[n,label_n]        x (N,K) logits, label_n = labels[index[n]]
//   dx[n,k] = exp(x[n,k]) / sum_j exp(x[n,j]) - (k == label_n ? 1 : 0)
//
// The largest logit of a row is subtracted before exp, which changes neither and keeps exp within [0, 1]. A
// sample is correct when its first largest logit is its label. Losses and gradients are sums over samples,
// not means.
#pragma once

#include "kernels/reference/kernel.h"

namespace dml::reference {

Candidate softmax_cross_entropy();

}  // namespace dml::reference
