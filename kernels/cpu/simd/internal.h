// The kernels of one instruction set, declared for its table. Included by the files of this folder alone.
#pragma once

#include "kernels/cpu/simd/kernels.h"

#ifndef DML_ISA
#error "compile this folder through kernels/cpu/CMakeLists.txt, which names the instruction set in DML_ISA"
#endif

namespace dml::cpu::DML_ISA {

void relu_forward(const float* x, float* y, std::int64_t count);
void relu_backward(const float* y, const float* dy, float* dx, std::int64_t count);
void max_pool_forward(const PoolPlane& plane, bool relu, const float* x, float* y, std::int32_t* choice);
void max_pool_backward(const PoolPlane& plane, bool relu, const float* dy, const std::int32_t* choice,
                       const float* y, float* dx);
void correlate_row(const LanesCorrelation& g, const float* x, const float* w, const float* bias,
                   std::int64_t p, float* y);
void correlate_weight_gradient(const LanesCorrelation& g, const float* x, const float* dy, std::int64_t c,
                               float* dw);
void correlate_bias_gradient(const LanesCorrelation& g, const float* dy, float* db);
void lanes_pool_row(const LanesPool& pool, const float* x, float* y, std::uint8_t* choice);
void lanes_unpool_row(const LanesPool& pool, const float* dy, const std::uint8_t* choice, float* dx);
void gather_lanes(const float* table, const std::uint8_t* const* images, std::int64_t samples,
                  std::int64_t elements, float* y);
void lanes_to_plain(const float* lanes, std::int64_t samples, std::int64_t elements, float* plain);
void plain_to_lanes(const float* plain, std::int64_t samples, std::int64_t elements, float* lanes);
void sgd(const SgdScalars& s, const float* gradient, float* momentum, float* w, std::int64_t count);
void adam(const AdamScalars& s, const float* gradient, float* m, float* v, float* w, std::int64_t count);

}  // namespace dml::cpu::DML_ISA
