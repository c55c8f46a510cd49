// What a GPU charges for keeping work in order: the figures that decide between many kernels in a graph, few
// large ones, and one that stays.
//
//   first_measurements          one JSON object on stdout: nanoseconds as median, p10 and p90 over 9 rounds
//
//   graph_node            an empty kernel behind an empty kernel in a CUDA graph
//   graph_node_early      the same where a kernel may start while the one before it ends (programmatic
//                         dependent launch, compute capability 9.0)
//   launch                an empty kernel behind an empty kernel in a stream
//   grid_barrier          a barrier over 128 blocks by one counter in global memory, in a cooperative kernel
//   cluster_barrier       a barrier over a cluster of 8 blocks (compute capability 9.0)
//   copy_gigabytes_per_second   device to device, 256 MiB, counting what is read and what is written
//
// Needs nvcc to build and a GPU to run; not part of the engine.
#include <algorithm>
#include <array>
#include <cooperative_groups.h>
#include <cstdio>
#include <cstdlib>
#include <cuda_runtime.h>
#include <functional>
#include <string>
#include <vector>

namespace {

constexpr int kRounds = 9;
constexpr int kNodes = 512;
constexpr int kBarriers = 1000;
constexpr unsigned kBlocks = 128;
constexpr unsigned kThreads = 128;
constexpr unsigned kCluster = 8;
constexpr std::size_t kCopied = std::size_t{256} << 20;

void check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "first_measurements: %s: %s\n", call, cudaGetErrorString(error));
  std::exit(1);
}

__global__ void empty_kernel() {}

/// Lets the next kernel of the chain begin, and waits for the one before it: nothing but the edge is left.
__global__ void early_kernel() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// Every block adds one; the last thread to see kBlocks more than before goes on.
__device__ void grid_barrier(unsigned* arrived, unsigned target) {
  __syncthreads();
  if (threadIdx.x == 0) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(arrived) : "memory");
    unsigned seen = 0;
    do {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(arrived) : "memory");
    } while (seen < target);
  }
  __syncthreads();
}

__global__ void grid_barrier_kernel(unsigned* arrived, int barriers) {
  for (int i = 1; i <= barriers; ++i) grid_barrier(arrived, static_cast<unsigned>(i) * gridDim.x);
}

__global__ void cluster_barrier_kernel(int barriers) {
#if __CUDA_ARCH__ >= 900
  for (int i = 0; i < barriers; ++i) cooperative_groups::this_cluster().sync();
#endif
}

struct Spread {
  double median, p10, p90;
};

/// Nanoseconds of each of `parts` equal parts of what `enqueue` puts on the stream.
Spread measure(cudaStream_t stream, int parts, const std::function<void()>& enqueue) {
  cudaEvent_t begin = nullptr, end = nullptr;
  check(cudaEventCreate(&begin), "cudaEventCreate");
  check(cudaEventCreate(&end), "cudaEventCreate");
  for (int i = 0; i < 3; ++i) enqueue();
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    constexpr int kRepeats = 20;
    check(cudaEventRecord(begin, stream), "cudaEventRecord");
    for (int i = 0; i < kRepeats; ++i) enqueue();
    check(cudaEventRecord(end, stream), "cudaEventRecord");
    check(cudaEventSynchronize(end), "cudaEventSynchronize");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
    rounds.push_back(1e6 * milliseconds / kRepeats / parts);
  }
  std::sort(rounds.begin(), rounds.end());
  return {rounds[kRounds / 2], rounds[kRounds / 10], rounds[kRounds - 1 - kRounds / 10]};
}

cudaGraphExec_t record_chain(cudaStream_t stream, bool early) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  for (int i = 0; i < kNodes; ++i) {
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t configuration{};
    configuration.gridDim = dim3(1);
    configuration.blockDim = dim3(kThreads);
    configuration.stream = stream;
    configuration.attrs = &attribute;
    configuration.numAttrs = early ? 1 : 0;
    check(cudaLaunchKernelEx(&configuration, early ? early_kernel : empty_kernel), "cudaLaunchKernelEx");
  }
  check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  check(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
  check(cudaGraphDestroy(graph), "cudaGraphDestroy");
  return executable;
}

Spread measure_chain(cudaStream_t stream, bool early) {
  const cudaGraphExec_t graph = record_chain(stream, early);
  const Spread spread =
      measure(stream, kNodes, [&] { check(cudaGraphLaunch(graph, stream), "cudaGraphLaunch"); });
  check(cudaGraphExecDestroy(graph), "cudaGraphExecDestroy");
  return spread;
}

Spread measure_launches(cudaStream_t stream) {
  return measure(stream, kNodes, [&] {
    for (int i = 0; i < kNodes; ++i) empty_kernel<<<1, kThreads, 0, stream>>>();
  });
}

Spread measure_grid_barrier(cudaStream_t stream) {
  unsigned* arrived = nullptr;
  check(cudaMalloc(&arrived, sizeof *arrived), "cudaMalloc");
  int barriers = kBarriers;
  std::array<void*, 2> arguments{&arrived, &barriers};
  const Spread spread = measure(stream, kBarriers, [&] {
    check(cudaMemsetAsync(arrived, 0, sizeof *arrived, stream), "cudaMemsetAsync");
    check(cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(grid_barrier_kernel), dim3(kBlocks),
                                      dim3(kThreads), arguments.data(), 0, stream),
          "cudaLaunchCooperativeKernel");
  });
  check(cudaFree(arrived), "cudaFree");
  return spread;
}

Spread measure_cluster_barrier(cudaStream_t stream) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = kCluster;
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = dim3(kCluster);
  configuration.blockDim = dim3(kThreads);
  configuration.stream = stream;
  configuration.attrs = &attribute;
  configuration.numAttrs = 1;
  return measure(stream, kBarriers, [&] {
    check(cudaLaunchKernelEx(&configuration, cluster_barrier_kernel, kBarriers), "cudaLaunchKernelEx");
  });
}

double measure_copy(cudaStream_t stream) {
  void *source = nullptr, *target = nullptr;
  check(cudaMalloc(&source, kCopied), "cudaMalloc");
  check(cudaMalloc(&target, kCopied), "cudaMalloc");
  check(cudaMemset(source, 0x5a, kCopied), "cudaMemset");
  const Spread spread = measure(stream, 1, [&] {
    check(cudaMemcpyAsync(target, source, kCopied, cudaMemcpyDeviceToDevice, stream), "cudaMemcpyAsync");
  });
  check(cudaFree(source), "cudaFree");
  check(cudaFree(target), "cudaFree");
  return 2.0 * static_cast<double>(kCopied) / spread.median;
}

void print(const char* name, Spread nanoseconds) {
  std::printf(R"("%s": {"median": %.1f, "p10": %.1f, "p90": %.1f}, )", name, nanoseconds.median,
              nanoseconds.p10, nanoseconds.p90);
}

}  // namespace

int main() {
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "cudaDeviceGetAttribute");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreate(&stream), "cudaStreamCreate");
  std::printf("{");
  print("launch", measure_launches(stream));
  print("graph_node", measure_chain(stream, false));
  if (major >= 9) print("graph_node_early", measure_chain(stream, true));
  print("grid_barrier", measure_grid_barrier(stream));
  if (major >= 9) print("cluster_barrier", measure_cluster_barrier(stream));
  std::printf(R"("copy_gigabytes_per_second": %.0f})"
              "\n",
              measure_copy(stream));
  return 0;
}
