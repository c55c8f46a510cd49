// Softmax with cross-entropy: losses, correct samples and the gradient of the logits.
//
//   loss_n = log(sum_k exp(x_nk - max)) + max - x_n,label            x (N,K)
//   label  = labels[indices[cursor N + n]]
//
//   dx_nk  = exp(x_nk - max) / sum_j exp(x_nj - max) - [k = label]
//
//   losses[cursor].loss_sum = sum_n loss_n
//   losses[cursor].correct  = number of samples whose first largest logit is their label
//
// One warp per sample; lane l looks at the logits l, l + 32, ... Up to 32 classes a lane keeps its one logit
// in a register, beyond that each of the three passes (largest, sum, gradient) reads the row again, from L1.
// Everything about one sample is in float. A NaN or +inf among the logits makes the loss and the whole
// gradient of its sample NaN: the sum carries it, whatever the comparisons did.
//
// Up to kOneBlockSamples samples one block does it all: a warp takes every 32nd sample, and after a barrier
// warp 0 adds up the losses. Beyond, blocks of eight warps write sample_losses and sample_correct, and a
// second kernel of one block adds them up: a block of 1024 threads needs about as long for four rounds of
// samples as a second launch takes (estimate). The sum is in double; thread t of T (32, or kSumThreads) adds
// the samples t, t + T, ... in this order, then partial sums meet pairwise. So the order is a function of N.
//
// Limiter: latency, cursor -> index -> label -> loss is a chain of four reads; about 2 us for lenet at batch
// 32 (estimate).
// sm_90, nvcc 13.0 (the budget of each is in kernels/cuda/resources.txt):
//   softmax_cross_entropy          1024 threads, 32 registers, no shared memory
//   softmax_cross_entropy_samples   256 threads, 29 registers (22 up to 32 classes), no shared memory
//   softmax_cross_entropy_sum      1024 threads, 32 registers, 512 bytes of shared memory
#include <climits>
#include <cmath>

#include "kernels/cuda/device.h"
#include "kernels/cuda/softmax_cross_entropy.h"

namespace dml::DML_DEVICE {
namespace {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffU;
constexpr int kOneBlockWarps = 32;
constexpr int kOneBlockSamples = 4 * kOneBlockWarps;
constexpr int kSampleWarps = 8;
constexpr int kSumThreads = 1024;
static_assert(kSumThreads / kWarp == kWarp, "one warp adds up the sums of all warps, one a lane");

/// A logit and its class. The order has no ties: of equal logits the first class leads.
struct Leader {
  float logit;
  int k;
};

__device__ __forceinline__ Leader first_largest(Leader a, Leader b) {
  const bool b_leads = b.logit > a.logit || (b.logit == a.logit && b.k < a.k);
  return b_leads ? b : a;
}

__device__ __forceinline__ Leader warp_first_largest(Leader leader) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const Leader other = {__shfl_xor_sync(kAllLanes, leader.logit, distance),
                          __shfl_xor_sync(kAllLanes, leader.k, distance)};
    leader = first_largest(leader, other);
  }
  return leader;
}

/// The sum over the lanes, in all of them: lanes add the same pairs, so they agree to the last bit.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

/// What one warp does for sample n.
template <bool kOneLogitPerLane>
__device__ __forceinline__ void one_sample(const SoftmaxCrossEntropyProblem& problem, std::int64_t n) {
  const int lane = threadIdx.x % kWarp;
  const int K = static_cast<int>(problem.K);
  const float* __restrict__ row = problem.logits + n * K;  // (K)
  const float held = kOneLogitPerLane && lane < K ? row[lane] : 0;
  const auto for_each_logit = [&](auto visit) {
    if constexpr (kOneLogitPerLane) {
      if (lane < K) visit(lane, held);
    } else {
      for (int k = lane; k < K; k += kWarp) visit(k, row[k]);
    }
  };
  const std::int64_t index = problem.samples.indices[*problem.samples.cursor * problem.N + n];
  const int label = problem.labels[index];

  // Comparisons skip a NaN, but for one in front: as the first logit it leads.
  Leader leader = {-INFINITY, K};
  for_each_logit([&](int k, float logit) {
    leader = first_largest(leader, {k == 0 && isnan(logit) ? INFINITY : logit, k});
  });
  leader = warp_first_largest(leader);

  float sum = 0;
  for_each_logit([&](int /*k*/, float logit) { sum += expf(logit - leader.logit); });
  sum = warp_sum(sum);

  if (lane == 0) {
    problem.sample_losses[n] = logf(sum) + (leader.logit - row[label]);
    problem.sample_correct[n] = leader.k == label ? 1 : 0;
  }
  if (problem.dlogits == nullptr) return;
  const float scale = 1 / sum;
  float* __restrict__ gradient = problem.dlogits + n * K;
  for_each_logit([&](int k, float logit) {
    gradient[k] = expf(logit - leader.logit) * scale - (k == label ? 1.0F : 0.0F);
  });
}

struct LossSum {
  double loss;
  long long correct;
};

/// What thread `first` of `threads` adds up.
__device__ __forceinline__ LossSum strided_sum(const SoftmaxCrossEntropyProblem& problem, int first,
                                               int threads) {
  LossSum sum = {0, 0};
  for (std::int64_t n = first; n < problem.N; n += threads) {
    sum.loss += static_cast<double>(problem.sample_losses[n]);
    sum.correct += problem.sample_correct[n];
  }
  return sum;
}

__device__ __forceinline__ LossSum warp_sum(LossSum sum) {
  return {warp_sum(sum.loss), warp_sum(sum.correct)};
}

/// The sums of warp 0's lanes into the slot of the step in progress.
__device__ __forceinline__ void finish(const SoftmaxCrossEntropyProblem& problem, LossSum lane_sum) {
  const LossSum sum = warp_sum(lane_sum);
  if (threadIdx.x != 0) return;
  problem.losses[*problem.samples.cursor] = {sum.loss, sum.correct};
}

template <bool kOneLogitPerLane>
__global__ void __launch_bounds__(kOneBlockWarps* kWarp)
    softmax_cross_entropy_kernel(SoftmaxCrossEntropyProblem problem) {
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  for (std::int64_t n = threadIdx.x / kWarp; n < problem.N; n += warps) {
    one_sample<kOneLogitPerLane>(problem, n);
  }
  __syncthreads();  // warp 0 reads what the others wrote
  if (threadIdx.x >= kWarp) return;
  finish(problem, strided_sum(problem, static_cast<int>(threadIdx.x), kWarp));
}

template <bool kOneLogitPerLane>
__global__ void __launch_bounds__(kSampleWarps* kWarp)
    softmax_cross_entropy_samples_kernel(SoftmaxCrossEntropyProblem problem) {
  const std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * kSampleWarps + threadIdx.x / kWarp;
  if (n < problem.N) one_sample<kOneLogitPerLane>(problem, n);  // whole warps
}

struct WarpSums {
  LossSum sums[kWarp];
};

__global__ void __launch_bounds__(kSumThreads)
    softmax_cross_entropy_sum_kernel(SoftmaxCrossEntropyProblem problem) {
  auto& warps = shared_memory<WarpSums>();
  const LossSum mine = warp_sum(strided_sum(problem, static_cast<int>(threadIdx.x), kSumThreads));
  if (threadIdx.x % kWarp == 0) warps.sums[threadIdx.x / kWarp] = mine;
  __syncthreads();
  if (threadIdx.x >= kWarp) return;
  finish(problem, warps.sums[threadIdx.x]);
}

template <bool kOneLogitPerLane>
void launch_softmax_cross_entropy(const SoftmaxCrossEntropyProblem& problem, DeviceStream& stream) {
  if (problem.N <= kOneBlockSamples) {
    // At least one warp: without samples it writes a loss of 0.
    const auto warps = static_cast<unsigned>(problem.N < 1                ? 1
                                             : problem.N < kOneBlockWarps ? problem.N
                                                                          : kOneBlockWarps);
    launch("softmax_cross_entropy", softmax_cross_entropy_kernel<kOneLogitPerLane>,
           {.blocks = {1}, .threads = {warps * kWarp}}, stream, problem);
    return;
  }
  const auto blocks = static_cast<unsigned>((problem.N + kSampleWarps - 1) / kSampleWarps);
  launch("softmax_cross_entropy_samples", softmax_cross_entropy_samples_kernel<kOneLogitPerLane>,
         {.blocks = {blocks}, .threads = {kSampleWarps * kWarp}}, stream, problem);
  launch("softmax_cross_entropy_sum", softmax_cross_entropy_sum_kernel,
         {.blocks = {1}, .threads = {kSumThreads}}, stream, problem);
}

}  // namespace

void softmax_cross_entropy(const SoftmaxCrossEntropyProblem& problem, DeviceStream& stream) {
  DML_ASSERT(problem.N >= 0 && problem.N <= INT_MAX && problem.K >= 1 && problem.K <= INT_MAX - kWarp,
             "a softmax over " + std::to_string(problem.N) + " samples of " + std::to_string(problem.K) +
                 " classes");
  if (problem.K <= kWarp) {
    launch_softmax_cross_entropy<true>(problem, stream);
  } else {
    launch_softmax_cross_entropy<false>(problem, stream);
  }
}

}  // namespace dml::DML_DEVICE
