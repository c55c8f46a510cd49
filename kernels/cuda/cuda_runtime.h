// The CUDA side of kernels/cuda/runtime.h, over the runtime library that is linked into the program: it
// starts where no driver is installed, and says so when a Device is made.
#pragma once

#include <array>
#include <cuda_runtime_api.h>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "kernels/base/backend.h"
#include "kernels/cuda/launch_shape.h"

namespace dml::cuda {

/// Throws UnavailableError, OutOfMemoryError or DeviceError naming `call` when `error` is not success.
void check(cudaError_t error, const std::string& call);

/// Makes its device the calling thread's current one; every object below works on it.
class Device {
 public:
  /// Throws UnavailableError: no driver, no such device, a compute capability below what was built.
  explicit Device(const DeviceOptions& options);
  [[nodiscard]] const DeviceProperties& properties() const { return properties_; }
  void make_current() const;

 private:
  int id_;
  DeviceProperties properties_;
};

class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(Device& device, std::size_t bytes, const std::string& purpose);
  [[nodiscard]] void* data() const { return memory_.get(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* memory) const noexcept;
  };
  std::unique_ptr<void, Free> memory_;
  std::size_t bytes_ = 0;
};

class PinnedMemory {
 public:
  PinnedMemory() = default;
  PinnedMemory(Device& device, std::size_t bytes, const std::string& purpose);
  [[nodiscard]] void* data() const { return memory_.get(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* memory) const noexcept;
  };
  std::unique_ptr<void, Free> memory_;
  std::size_t bytes_ = 0;
};

class DeviceStream;

class Event {
 public:
  explicit Event(Device& device);
  void record(DeviceStream& stream);
  void synchronize();
  [[nodiscard]] cudaEvent_t handle() const { return event_.get(); }

 private:
  struct Destroy {
    void operator()(cudaEvent_t event) const noexcept;
  };
  std::unique_ptr<CUevent_st, Destroy> event_;
};

class DeviceStream final : public Stream {
 public:
  explicit DeviceStream(Device& device);
  void synchronize() override;
  void copy(View source, View target) override;
  void clear(View target) override;
  void wait(const Event& event);
  [[nodiscard]] cudaStream_t handle() const { return stream_.get(); }

 private:
  struct Destroy {
    void operator()(cudaStream_t stream) const noexcept;
  };
  std::unique_ptr<CUstream_st, Destroy> stream_;
};

/// Work that is recorded once and enqueued again and again with one call.
class Graph {
 public:
  /// Records what `enqueue` puts on `stream`; nothing of it runs. It must not wait for the device.
  Graph(DeviceStream& stream, const std::function<void()>& enqueue);
  void launch(DeviceStream& stream) const;

 private:
  struct Destroy {
    void operator()(cudaGraphExec_t graph) const noexcept;
  };
  std::unique_ptr<CUgraphExec_st, Destroy> graph_;
};

/// Enqueues a launch of arguments that are already of the kernel's parameter types.
void launch_raw(const char* name, const void* kernel, const LaunchShape& shape, bool cooperative,
                DeviceStream& stream, void** arguments);

namespace detail {
template <class... Parameters, class... Arguments>
void launch_as(const char* name, void (*kernel)(Parameters...), const LaunchShape& shape, bool cooperative,
               DeviceStream& stream, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                "a kernel launched with other arguments than it has");
  std::tuple<Parameters...> values(static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  std::apply(
      [&](Parameters&... parameter) {
        std::array<void*, sizeof...(Parameters) + 1> pointers{
            const_cast<void*>(static_cast<const void*>(&parameter))..., nullptr};
        launch_raw(name, reinterpret_cast<const void*>(kernel), shape, cooperative, stream, pointers.data());
      },
      values);
}
}  // namespace detail

template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), const LaunchShape& shape, DeviceStream& stream,
            Arguments&&... arguments) {
  detail::launch_as(name, kernel, shape, false, stream, std::forward<Arguments>(arguments)...);
}

template <class... Parameters, class... Arguments>
void launch_cooperative(const char* name, void (*kernel)(Parameters...), const LaunchShape& shape,
                        DeviceStream& stream, Arguments&&... arguments) {
  detail::launch_as(name, kernel, shape, true, stream, std::forward<Arguments>(arguments)...);
}

}  // namespace dml::cuda
