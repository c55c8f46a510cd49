// Gradients of biases: the sum of d(loss)/d(result) over samples and pixels, for each channel.
//
// One block a channel. Thread t adds the elements t, t + 256, ... of the channel in order; the block adds its
// threads' sums as a tree. 1 KiB of shared memory.
#include "kernels/cuda/tiled_gemm.cuh"

namespace dml::DML_DEVICE {
namespace {

constexpr int kThreads = 256;

struct ThreadSums {
  float of[kThreads];
};

__global__ void __launch_bounds__(kThreads)
    channel_sums_kernel(int samples, int channels, int inner, MaskedGradient gradient, float* sums,
                        bool accumulate) {
  ThreadSums& shared = shared_memory<ThreadSums>();
  const int channel = static_cast<int>(blockIdx.x);
  const int thread = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int i = thread; i < samples * inner; i += kThreads) {
    const int sample = i / inner;
    sum += gradient.of(
        gradient.load((static_cast<std::int64_t>(sample) * channels + channel) * inner + i % inner));
  }
  shared.of[thread] = sum;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) shared.of[thread] += shared.of[thread + half];
  }
  if (thread == 0) sums[channel] = accumulate ? sums[channel] + shared.of[0] : shared.of[0];
}

}  // namespace

void channel_sums(std::int64_t samples, std::int64_t channels, std::int64_t inner,
                  const MaskedGradient& gradient, float* sums, bool accumulate, DeviceStream& stream) {
  launch("channel_sums", channel_sums_kernel,
         {.blocks = {static_cast<unsigned>(channels)}, .threads = {kThreads}}, stream,
         static_cast<int>(samples), static_cast<int>(channels), static_cast<int>(inner), gradient, sums,
         accumulate);
}

}  // namespace dml::DML_DEVICE
