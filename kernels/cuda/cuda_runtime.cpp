#include <atomic>
#include <cstdio>

#include "kernels/base/buffer.h"
#include "kernels/cuda/device_backend.h"
#include "kernels/cuda/runtime.h"

namespace dml::cuda {
namespace {

constexpr ComputeCapability kLeastComputeCapability{DML_LEAST_COMPUTE_CAPABILITY / 10,
                                                    DML_LEAST_COMPUTE_CAPABILITY % 10};
constexpr std::size_t kStaticSharedLimit = std::size_t{48} << 10U;

/// The last error that somebody was told of. A sticky one comes back from every later call.
std::atomic<cudaError_t> told{cudaSuccess};

/// A destructor cannot throw; what went wrong here comes up again at the next call that can.
void report(cudaError_t error, const char* call) noexcept {
  if (error == cudaSuccess || error == cudaErrorCudartUnloading || told.exchange(error) == error) return;
  std::fprintf(stderr, "dml_engine: %s: %s\n", call, cudaGetErrorString(error));
}

[[noreturn]] void no_memory(std::size_t bytes, const std::string& kind, const std::string& purpose) {
  std::size_t free = 0, total = 0;
  std::string left;
  if (kind == "GPU" && cudaMemGetInfo(&free, &total) == cudaSuccess) {
    left = "; " + mebibytes(free) + " of " + mebibytes(total) + " are free";
  }
  throw OutOfMemoryError("out of " + kind + " memory: " + mebibytes(bytes) + " for " + purpose +
                         " were refused" + left);
}

}  // namespace

std::optional<ComputeCapability> least_compute_capability() {
  return kLeastComputeCapability;
}

void check(cudaError_t error, const std::string& call) {
  if (error == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // a sticky one stays all the same
  told = error;
  const std::string what = call + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")";
  switch (error) {
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorSystemNotReady:
      throw UnavailableError(what);
    case cudaErrorNoKernelImageForDevice:
      throw UnavailableError(what +
                             "; build it with the GPU's compute capability in -D DML_CUDA_ARCHITECTURES");
    case cudaErrorMemoryAllocation:
      throw OutOfMemoryError(what);
    default:
      throw DeviceError(what);
  }
}

Device::Device(const DeviceOptions& options) : id_(options.id) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver) {
    throw UnavailableError(
        "no NVIDIA driver, or one older than this program's CUDA " + std::to_string(CUDART_VERSION / 1000) +
        "." + std::to_string(CUDART_VERSION % 1000 / 10) + "; install a newer driver, or use --device cpu");
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
    throw UnavailableError(
        "the NVIDIA driver sees no GPU (CUDA_VISIBLE_DEVICES hides them all?); use --device cpu");
  }
  check(error, "cudaGetDeviceCount");
  if (id_ < 0 || id_ >= count) {
    throw UnavailableError("no GPU " + std::to_string(id_) + ": this process may use " +
                           std::to_string(count) + ", numbered from 0; give other --gpus");
  }
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, id_), "cudaGetDeviceProperties");
  const std::string problem = too_old({properties.major, properties.minor}, kLeastComputeCapability);
  if (!problem.empty()) {
    throw UnavailableError("GPU " + std::to_string(id_) + " (" + properties.name + ") " + problem +
                           ", use another one, or --device cpu");
  }
  make_current();
  properties_ = {.name = properties.name,
                 .multiprocessors = properties.multiProcessorCount,
                 .memory_bytes = static_cast<std::int64_t>(properties.totalGlobalMem)};
}

void Device::make_current() const {
  check(cudaSetDevice(id_), "cudaSetDevice");
}

DeviceMemory::DeviceMemory(Device& device, std::size_t bytes, const std::string& purpose) : bytes_(bytes) {
  if (bytes == 0) return;
  device.make_current();
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    no_memory(bytes, "GPU", purpose);
  }
  check(error, "cudaMalloc for " + purpose);
  memory_.reset(memory);
}

void DeviceMemory::Free::operator()(void* memory) const noexcept {
  report(cudaFree(memory), "cudaFree");
}

PinnedMemory::PinnedMemory(Device& device, std::size_t bytes, const std::string& purpose) : bytes_(bytes) {
  if (bytes == 0) return;
  device.make_current();
  void* memory = nullptr;
  const cudaError_t error = cudaMallocHost(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    no_memory(bytes, "pinned host", purpose);
  }
  check(error, "cudaMallocHost for " + purpose);
  memory_.reset(memory);
}

void PinnedMemory::Free::operator()(void* memory) const noexcept {
  report(cudaFreeHost(memory), "cudaFreeHost");
}

Event::Event(Device& device) {
  device.make_current();
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  event_.reset(event);
}

void Event::record(DeviceStream& stream) {
  check(cudaEventRecord(event_.get(), stream.handle()), "cudaEventRecord");
}

void Event::synchronize() {
  check(cudaEventSynchronize(event_.get()), "cudaEventSynchronize");
}

void Event::Destroy::operator()(cudaEvent_t event) const noexcept {
  report(cudaEventDestroy(event), "cudaEventDestroy");
}

DeviceStream::DeviceStream(Device& device) {
  device.make_current();
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  stream_.reset(stream);
}

void DeviceStream::synchronize() {
  check(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");
}

void DeviceStream::copy(View source, View target) {
  DML_ASSERT(source.bytes() == target.bytes(), "a copy between views of different sizes");
  if (source.empty()) return;
  check(cudaMemcpyAsync(target.data, source.data, source.bytes(), cudaMemcpyDefault, stream_.get()),
        "cudaMemcpyAsync");
}

void DeviceStream::clear(View target) {
  if (target.empty()) return;
  check(cudaMemsetAsync(target.data, 0, target.bytes(), stream_.get()), "cudaMemsetAsync");
}

void DeviceStream::wait(const Event& event) {
  check(cudaStreamWaitEvent(stream_.get(), event.handle(), 0), "cudaStreamWaitEvent");
}

void DeviceStream::Destroy::operator()(cudaStream_t stream) const noexcept {
  report(cudaStreamDestroy(stream), "cudaStreamDestroy");
}

Graph::Graph(DeviceStream& stream, const std::function<void()>& enqueue) {
  check(cudaStreamBeginCapture(stream.handle(), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  cudaGraph_t recorded = nullptr;
  try {
    enqueue();
  } catch (...) {
    report(cudaStreamEndCapture(stream.handle(), &recorded), "cudaStreamEndCapture");
    if (recorded != nullptr) report(cudaGraphDestroy(recorded), "cudaGraphDestroy");
    throw;
  }
  check(cudaStreamEndCapture(stream.handle(), &recorded), "cudaStreamEndCapture");
  cudaGraphExec_t graph = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&graph, recorded, 0);
  report(cudaGraphDestroy(recorded), "cudaGraphDestroy");
  check(error, "cudaGraphInstantiate");
  graph_.reset(graph);
}

void Graph::launch(DeviceStream& stream) const {
  check(cudaGraphLaunch(graph_.get(), stream.handle()), "cudaGraphLaunch");
}

void Graph::Destroy::operator()(cudaGraphExec_t graph) const noexcept {
  report(cudaGraphExecDestroy(graph), "cudaGraphExecDestroy");
}

void launch_raw(const char* name, const void* kernel, const LaunchShape& shape, bool cooperative,
                DeviceStream& stream, void** arguments) {
  if (shape.shared_bytes > kStaticSharedLimit) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shape.shared_bytes)),
          std::string("shared memory of kernel ") + name);
  }
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeCooperative;
  attribute.val.cooperative = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = {shape.blocks.x, shape.blocks.y, shape.blocks.z};
  config.blockDim = {shape.threads.x, shape.threads.y, shape.threads.z};
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream.handle();
  config.attrs = &attribute;
  config.numAttrs = cooperative ? 1 : 0;
  check(cudaLaunchKernelExC(&config, kernel, arguments), std::string("launch of kernel ") + name);
}

}  // namespace dml::cuda
