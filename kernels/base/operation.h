// What a stage is asked to compute: a list of operations in forward order, as plain data.
//
// The plan writes this list; a backend turns it into an Executable (backend.h), possibly claiming several
// neighbours with one fused kernel. Activations between operations are the backend's own business; at the
// ends of a stage they are NCHW (row-major, contiguous). Parameters are named by their offset, in elements,
// in the canonical arena of the model: weights are (K,C,R,S) for a convolution and (K,C) for a linear layer.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "kernels/base/shapes.h"

namespace dml {

/// y[n] = (image[index[n]] / 255 - mean) / stddev, from the resident u8 data set to (N,C,H,W). First or
/// absent.
struct GatherNormalize {
  std::int64_t N = 0, C = 0, H = 0, W = 0;
  double mean = 0, stddev = 1;
  [[nodiscard]] std::int64_t sample_elements() const { return C * H * W; }
};

/// y = x * w + b. Backward writes dw, db and, unless it is the first operation after the gather, dx.
struct Convolution {
  ConvolutionShape shape;
  std::int64_t weight_offset = 0, bias_offset = 0;
};

/// y = x * w^T + b.
struct Linear {
  LinearShape shape;
  std::int64_t weight_offset = 0, bias_offset = 0;
};

/// y = max(x, 0) in place of its producer's output; dx = dy where y > 0, else 0.
struct Relu {
  std::int64_t elements = 0;
};

struct MaxPool {
  PoolShape shape;
};

/// loss_n = log(sum_k exp(x_nk)) - x_n,label(n), summed over the samples; dx = softmax(x) - onehot(label).
/// Always the last operation. Nothing is divided by the number of samples here: the update does that, once.
struct SoftmaxCrossEntropy {
  std::int64_t N = 0, K = 0;
};

struct Operation {
  std::string layer;  ///< the layer it belongs to, for messages and profiles ("conv1")
  std::variant<GatherNormalize, Convolution, Linear, Relu, MaxPool, SoftmaxCrossEntropy> work;
};

}  // namespace dml
