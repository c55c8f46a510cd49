// SGD and Adam over a range of the arena, one launch an update.
//
//   g = gradient_sum / samples + weight_decay w
//
//   sgd:  m = momentum m + g;  w -= learning_rate (nesterov ? g + momentum m : m)
//   adam: m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
//         w -= adam_rate m / (sqrt(v) adam_root_scale + epsilon)
//
// The rules of kernels/base/optimizer.h in float, with the roundings of a fused multiply-add wherever one
// fits. What stays the same for a run comes as an argument; what changes from step to step is read from
// steps[*cursor], so that a recorded launch stays right.
//
// A thread updates four parameters with 16-byte accesses, or one of the few that are left before the first
// 16-byte boundary of `values` and behind the last (kernels/cuda/vectors.cuh). No shared memory. sm_90,
// nvcc 13.0: 26 registers (SGD without momentum 20), Adam 38.
//
// Limiter: memory, 5 floats a parameter with momentum, 3 without, 7 with Adam; one read that depends on
// another (cursor, then scalars) is in flight with the first gradients. 1.2 M parameters are 24 MB, 6 us at
// 4.3 TB/s, less when they stay in L2 (estimates); the 52 K of lenet fill 51 blocks, 2 us of latency
// (estimate).
#include "kernels/cuda/optimizer_kernels.h"
#include "kernels/cuda/vectors.cuh"

namespace dml::DML_DEVICE {
namespace {

/// SGD for one parameter. kMomentum false: no state is kept.
template <bool kMomentum>
struct SgdRule {
  float weight_decay, momentum;
  bool nesterov;

  __device__ __forceinline__ void update(const StepScalars& step, float gradient_sum, float& w, float& m,
                                         float& /*unused*/) const {
    const float g = fmaf(weight_decay, w, gradient_sum * step.inverse_samples);
    float direction = g;
    if constexpr (kMomentum) {
      m = fmaf(momentum, m, g);
      direction = nesterov ? fmaf(momentum, m, g) : m;
    }
    w = fmaf(-step.learning_rate, direction, w);
  }
};

/// Adam for one parameter.
struct AdamRule {
  float weight_decay, beta1, beta2, one_minus_beta1, one_minus_beta2, epsilon;

  __device__ __forceinline__ void update(const StepScalars& step, float gradient_sum, float& w, float& m,
                                         float& v) const {
    const float g = fmaf(weight_decay, w, gradient_sum * step.inverse_samples);
    m = fmaf(beta1, m, one_minus_beta1 * g);
    v = fmaf(beta2, v, one_minus_beta2 * g * g);
    w -= step.adam_rate * m / fmaf(sqrtf(v), step.adam_root_scale, epsilon);
  }
};

// Both read their parameters before the scalars, so that no read of theirs waits for the cursor.

template <int kSlots, class Rule>
__device__ __forceinline__ void update_group(const Rule& rule, const OptimizerProblem& problem,
                                             std::int64_t at) {
  const float4 g = load_group(problem.gradients + at);
  float4 w = load_group(problem.values + at);
  float4 m = make_float4(0, 0, 0, 0);
  float4 v = make_float4(0, 0, 0, 0);
  if constexpr (kSlots > 0) m = load_group(problem.slot0 + at);
  if constexpr (kSlots > 1) v = load_group(problem.slot1 + at);
  const StepScalars step = problem.steps[*problem.cursor];
  rule.update(step, g.x, w.x, m.x, v.x);
  rule.update(step, g.y, w.y, m.y, v.y);
  rule.update(step, g.z, w.z, m.z, v.z);
  rule.update(step, g.w, w.w, m.w, v.w);
  if constexpr (kSlots > 0) store_group(problem.slot0 + at, m);
  if constexpr (kSlots > 1) store_group(problem.slot1 + at, v);
  store_group(problem.values + at, w);
}

template <int kSlots, class Rule>
__device__ __forceinline__ void update_one(const Rule& rule, const OptimizerProblem& problem,
                                           std::int64_t at) {
  const float g = problem.gradients[at];
  float w = problem.values[at];
  float m = 0;
  float v = 0;
  if constexpr (kSlots > 0) m = problem.slot0[at];
  if constexpr (kSlots > 1) v = problem.slot1[at];
  rule.update(problem.steps[*problem.cursor], g, w, m, v);
  if constexpr (kSlots > 0) problem.slot0[at] = m;
  if constexpr (kSlots > 1) problem.slot1[at] = v;
  problem.values[at] = w;
}

template <int kSlots, class Rule>
__device__ __forceinline__ void update_thread(const Rule& rule, const GroupSplit& split,
                                              const OptimizerProblem& problem) {
  const std::int64_t thread = pointwise_thread();
  if (thread >= split.threads) return;
  if (thread < split.groups) {
    update_group<kSlots>(rule, problem, split.head + thread * kGroup);
  } else {
    update_one<kSlots>(rule, problem, odd_element(split, thread));
  }
}

template <bool kMomentum>
__global__ void __launch_bounds__(kPointwiseThreads)
    sgd_update_kernel(SgdRule<kMomentum> rule, GroupSplit split, OptimizerProblem problem) {
  update_thread<kMomentum ? 1 : 0>(rule, split, problem);
}

__global__ void __launch_bounds__(kPointwiseThreads)
    adam_update_kernel(AdamRule rule, GroupSplit split, OptimizerProblem problem) {
  update_thread<2>(rule, split, problem);
}

template <bool kMomentum>
void launch_sgd(const OptimizerOptions& options, const OptimizerProblem& problem, DeviceStream& stream) {
  const GroupSplit split = split_into_groups(problem.values, problem.count);
  const SgdRule<kMomentum> rule = {static_cast<float>(options.weight_decay),
                                   static_cast<float>(options.momentum), options.nesterov};
  launch("sgd_update", sgd_update_kernel<kMomentum>, pointwise_launch(split.threads), stream, rule, split,
         problem);
}

}  // namespace

void sgd_update(const OptimizerOptions& options, const OptimizerProblem& problem, DeviceStream& stream) {
  if (problem.count == 0) return;
  if (options.momentum != 0) {
    DML_ASSERT(problem.slot0 != nullptr, "an update with momentum and nowhere to keep it");
    launch_sgd<true>(options, problem, stream);
  } else {
    launch_sgd<false>(options, problem, stream);
  }
}

void adam_update(const OptimizerOptions& options, const OptimizerProblem& problem, DeviceStream& stream) {
  if (problem.count == 0) return;
  DML_ASSERT(problem.slot0 != nullptr && problem.slot1 != nullptr, "adam without room for its moments");
  const GroupSplit split = split_into_groups(problem.values, problem.count);
  const AdamRule rule = {static_cast<float>(options.weight_decay), static_cast<float>(options.beta1),
                         static_cast<float>(options.beta2),        static_cast<float>(1 - options.beta1),
                         static_cast<float>(1 - options.beta2),    static_cast<float>(options.epsilon)};
  launch("adam_update", adam_update_kernel, pointwise_launch(split.threads), stream, rule, split, problem);
}

}  // namespace dml::DML_DEVICE
