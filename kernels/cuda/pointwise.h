// Operations that no other kernel has fused: gather, ReLU, max pool; and what the runtime needs besides.
#pragma once

#include <string>

#include "kernels/cuda/problems.h"

namespace dml::DML_DEVICE {

/// x (N, sample_elements) = table[images[sample n]].
void gather_normalize(std::int64_t N, std::int64_t sample_elements, const GatheredInput& input, float* x,
                      DeviceStream& stream);

/// y = x > 0 ? x : 0; NaN stays NaN.
void relu_forward(std::int64_t elements, const float* x, float* y, DeviceStream& stream);
/// dx = dy where y > 0, else 0.
void relu_backward(std::int64_t elements, const float* dy, const float* y, float* dx, DeviceStream& stream);

/// The rule of the two functions below that this shape breaks; empty: they take it.
std::string max_pool_broken_rule(const PoolShape& shape);

/// y (N,C,P,Q) and, for the backward pass, the winning place of each window as r * window + s (the first in
/// row-major order on a tie; a NaN beats everything). `winners` may be null.
void max_pool_forward(const PoolShape& shape, const float* x, float* y, std::uint16_t* winners,
                      DeviceStream& stream);
/// dx (N,C,H,W), overwritten: each input sums the gradients of the windows it won, in row-major order. Behind
/// a ReLU that the pool's producer applied nothing else is needed: `dx` is the gradient of x.
void max_pool_backward(const PoolShape& shape, const float* dy, const std::uint16_t* winners, float* dx,
                       DeviceStream& stream);

/// sum[i] = copies[i] + copies[n + i] + ... in this order.
void sum_copies(std::int64_t n, std::int64_t copies_count, const float* copies, float* sum,
                DeviceStream& stream);

/// values[i] *= factor.
void scale(std::int64_t n, float factor, float* values, DeviceStream& stream);

/// *finite = 1 when every value is finite, else 0.
void check_finite(std::int64_t elements, const float* values, std::int32_t* finite, DeviceStream& stream);

/// *cursor += 1: on to the next place of the windows that samples, losses and scalars lie in.
void advance_cursor(std::int32_t* cursor, DeviceStream& stream);

/// times[*cursor * stride + column] = the device's clock, in nanoseconds.
void note_time(const std::int32_t* cursor, std::int64_t stride, std::int64_t column, std::int64_t* times,
               DeviceStream& stream);

}  // namespace dml::DML_DEVICE
