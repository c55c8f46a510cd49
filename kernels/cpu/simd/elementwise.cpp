// ReLU and the optimizers: one pass over contiguous arrays, in plain loops the compiler vectorises.
#include "kernels/cpu/simd/internal.h"

namespace dml::cpu::DML_ISA {

void relu_forward(const float* x, float* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = x[i] < 0 ? 0 : x[i];
}

void relu_backward(const float* __restrict y, const float* __restrict dy, float* __restrict dx,
                   std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) dx[i] = y[i] > 0 ? dy[i] : 0;
}

void sgd(const SgdScalars& s, const float* __restrict gradient, float* __restrict momentum,
         float* __restrict w, std::int64_t count) {
  const SgdScalars k = s;
  if (momentum == nullptr) {
    for (std::int64_t i = 0; i < count; ++i) {
      w[i] -= k.learning_rate * (gradient[i] * k.inverse_samples + k.weight_decay * w[i]);
    }
    return;
  }
  // Both rules in one loop: plain momentum moves along m, Nesterov's along g + momentum * m.
  const float along_gradient = k.nesterov ? 1.0F : 0.0F;
  const float along_momentum = k.nesterov ? k.momentum : 1.0F;
  for (std::int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] * k.inverse_samples + k.weight_decay * w[i];
    const float m = k.momentum * momentum[i] + g;
    momentum[i] = m;
    w[i] -= k.learning_rate * (along_gradient * g + along_momentum * m);
  }
}

void adam(const AdamScalars& s, const float* __restrict gradient, float* __restrict m, float* __restrict v,
          float* __restrict w, std::int64_t count) {
  const AdamScalars k = s;
  for (std::int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] * k.inverse_samples + k.weight_decay * w[i];
    const float first = k.beta1 * m[i] + k.one_minus_beta1 * g;
    const float second = k.beta2 * v[i] + k.one_minus_beta2 * g * g;
    m[i] = first;
    v[i] = second;
    w[i] -= k.step_size * first / (__builtin_sqrtf(second) * k.inverse_root_correction + k.epsilon);
  }
}

}  // namespace dml::cpu::DML_ISA
