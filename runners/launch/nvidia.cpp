#include "runners/launch/nvidia.h"

#include <array>
#include <dlfcn.h>
#include <memory>

namespace dml {
namespace {

// The few entry points of the driver API that are needed, declared here so that nothing of CUDA has to be
// installed. All return 0 on success (cuda.h, CUresult).
using CuInit = int (*)(unsigned);
using CuDriverGetVersion = int (*)(int*);
using CuDeviceGetCount = int (*)(int*);
using CuDeviceGetName = int (*)(char*, int, int);
using CuDeviceTotalMem = int (*)(std::size_t*, int);
using CuDeviceGetAttribute = int (*)(int*, int, int);

constexpr int kComputeCapabilityMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
constexpr int kComputeCapabilityMinor = 76;
constexpr int kNoDevice = 100;  // CUDA_ERROR_NO_DEVICE

struct CloseLibrary {
  void operator()(void* library) const { dlclose(library); }
};

template <typename Function>
Function find_function(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

}  // namespace

NvidiaInventory find_nvidia_devices() {
  NvidiaInventory inventory;
  const std::unique_ptr<void, CloseLibrary> library(
      dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE));
  if (!library) {
    inventory.problem = "no NVIDIA driver (libcuda.so.1 is not here)";
    return inventory;
  }
  const auto init = find_function<CuInit>(library.get(), "cuInit");
  const auto driver_version = find_function<CuDriverGetVersion>(library.get(), "cuDriverGetVersion");
  const auto device_count = find_function<CuDeviceGetCount>(library.get(), "cuDeviceGetCount");
  const auto device_name = find_function<CuDeviceGetName>(library.get(), "cuDeviceGetName");
  const auto total_memory = find_function<CuDeviceTotalMem>(library.get(), "cuDeviceTotalMem_v2");
  const auto attribute = find_function<CuDeviceGetAttribute>(library.get(), "cuDeviceGetAttribute");
  if (!init || !driver_version || !device_count || !device_name || !total_memory || !attribute) {
    inventory.problem = "libcuda.so.1 is here but is not a driver library (a stub without its functions)";
    return inventory;
  }

  int version = 0;
  if (driver_version(&version) == 0 && version > 0) {
    inventory.driver_api = std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  }
  int count = 0;
  const int error = init(0);
  if (error != 0 && error != kNoDevice) {
    inventory.problem = "the NVIDIA driver does not start (cuInit answered " + std::to_string(error) + ")";
    return inventory;
  }
  if (error == kNoDevice || device_count(&count) != 0 || count == 0) {
    inventory.problem = "the NVIDIA driver is here but sees no device";
    return inventory;
  }
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    NvidiaDevice device;
    std::array<char, 128> name{};
    if (device_name(name.data(), static_cast<int>(name.size()) - 1, ordinal) == 0) device.name = name.data();
    std::size_t bytes = 0;
    if (total_memory(&bytes, ordinal) == 0) device.memory_bytes = static_cast<std::int64_t>(bytes);
    attribute(&device.compute.major, kComputeCapabilityMajor, ordinal);
    attribute(&device.compute.minor, kComputeCapabilityMinor, ordinal);
    inventory.devices.push_back(device);
  }
  return inventory;
}

std::string NvidiaInventory::describe() const {
  if (devices.empty()) return problem;
  std::string text =
      std::to_string(devices.size()) + " NVIDIA device" + (devices.size() == 1 ? "" : "s") + ": ";
  for (std::size_t i = 0; i < devices.size(); ++i) text += (i == 0 ? "" : ", ") + devices[i].name;
  return text;
}

}  // namespace dml
