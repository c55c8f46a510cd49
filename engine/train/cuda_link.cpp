// A GPU as communicators see it. Stands beside absent_cuda_link.cpp, which is built where CUDA is not.
#include "engine/train/cuda_link.h"

#include <array>

#include "kernels/cuda/cuda_runtime.h"

namespace dml {
namespace {

class CudaMark final : public DeviceMark {
 public:
  explicit CudaMark(cuda::Device& device) : event_(device) {}
  void set(Stream& stream) override { event_.record(static_cast<cuda::DeviceStream&>(stream)); }
  bool reached() override {
    if (cudaEventQuery(event_.handle()) != cudaErrorNotReady) return true;
    static_cast<void>(cudaGetLastError());  // which is kept as if it were an error
    return false;
  }

 private:
  cuda::Event event_;
};

class CudaLink final : public DeviceLink {
 public:
  explicit CudaLink(int id) : device_({.id = id}) {
    std::array<char, 64> bus{};
    cuda::check(cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), id), "cudaDeviceGetPCIBusId");
    place_ = bus.data();
  }

  void make_current() override { device_.make_current(); }
  void* native(Stream& stream) override { return static_cast<cuda::DeviceStream&>(stream).handle(); }
  bool is_recording(Stream& stream) override {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    cuda::check(cudaStreamIsCapturing(static_cast<cuda::DeviceStream&>(stream).handle(), &status),
                "cudaStreamIsCapturing");
    return status != cudaStreamCaptureStatusNone;
  }
  std::unique_ptr<DeviceMark> make_mark() override { return std::make_unique<CudaMark>(device_); }
  [[nodiscard]] std::string place() const override { return place_; }

 private:
  cuda::Device device_;
  std::string place_;
};

}  // namespace

std::unique_ptr<DeviceLink> make_cuda_link(int id) {
  return std::make_unique<CudaLink>(id);
}

}  // namespace dml
