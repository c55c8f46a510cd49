// The emulator's side of kernels/cuda/runtime.h: a device without a GPU.
//
// Copies, clears and launches are queued on streams and run when the host waits: what runs next is drawn, by
// the seed, from the fronts of all streams, so that only streams and events order it and a missing wait
// shows. Copies read and write host memory when they run. Fresh device memory is NaN. Memory is freed, and
// streams are destroyed, after everything queued has run. After a failure the device is lost: every call
// repeats the first cause.
//
// DML_EMULATOR_FAIL_AFTER=N in the environment makes every launch of a device behind its N-th fail: tests see
// with it what a lost GPU leads to.
//
// A device is used by one host thread at a time; different devices may be used by different ones at once.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/base/backend.h"
#include "kernels/cuda/launch_shape.h"
#include "kernels/emulator/machine.h"

namespace dml::emulator {

class DeviceStream;

/// A kernel with its arguments.
struct Launch {
  const char* name = "";
  const void* kernel = nullptr;
  LaunchShape shape;
  bool cooperative = false;
  std::function<void()> body;
};

class Device {
 public:
  explicit Device(const DeviceOptions& options);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();

  [[nodiscard]] const DeviceProperties& properties() const { return properties_; }
  /// How later launches run; for tests.
  [[nodiscard]] MachineOptions& machine() { return machine_; }

 private:
  friend class DeviceMemory;
  friend class PinnedMemory;
  friend class DeviceStream;
  friend class Event;
  friend class Graph;

  /// Work of a stream that may have to wait for another stream.
  struct Operation {
    std::function<bool()> ready;  ///< empty: always
    std::function<void()> run;
    StreamClock after = {};  ///< what the host had waited for when it was enqueued; only for an observer
  };
  struct Queue {
    std::size_t number = 0;
    std::deque<Operation> operations;
    std::vector<Operation>* recording = nullptr;  ///< of a Graph that is being made
    StreamClock clock;                            ///< of the last operation that has begun
  };
  struct Allocation {
    std::size_t bytes = 0;
    std::string purpose;
  };

  void throw_if_lost() const;
  /// As a GPU would.
  void refuse_beyond_memory(std::size_t bytes, const std::string& purpose) const;
  /// Runs queued operations until `done`.
  void run_until(const std::function<bool()>& done);
  void run_all() noexcept;
  Queue* pick();
  void begin(Queue& queue, const Operation& operation);
  /// A copy reads or has written memory, maybe of the device.
  void reads(View source) const;
  void written(View target) const;
  void run_kernel(const Launch& launch);

  DeviceProperties properties_;
  MachineOptions machine_;
  std::unique_ptr<Observer> observer_;
  std::mt19937_64 random_;
  std::vector<Queue*> queues_;
  std::size_t streams_made_ = 0;
  StreamClock host_;  ///< what the host has waited for
  std::map<const std::byte*, Allocation> allocations_;
  std::uint64_t launches_ = 0;
  std::uint64_t fails_after_ = 0;  ///< launches; 0: never
  std::string failure_;
};

class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(Device& device, std::size_t bytes, const std::string& purpose);
  DeviceMemory(DeviceMemory&& other) noexcept;
  DeviceMemory& operator=(DeviceMemory&& other) noexcept;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory();
  [[nodiscard]] void* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  Device* device_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

class PinnedMemory {
 public:
  PinnedMemory() = default;
  PinnedMemory(Device& device, std::size_t bytes, const std::string& purpose);
  PinnedMemory(PinnedMemory&& other) noexcept = default;
  PinnedMemory& operator=(PinnedMemory&& other) noexcept = default;
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  ~PinnedMemory();
  [[nodiscard]] void* data() const { return data_.get(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  Device* device_ = nullptr;
  std::unique_ptr<std::byte[]> data_;  // NOLINT: sized at run time
  std::size_t bytes_ = 0;
};

class Event {
 public:
  explicit Event(Device& device) : device_(&device), state_(std::make_shared<State>()) {}
  void record(DeviceStream& stream);
  void synchronize();

 private:
  friend class DeviceStream;
  struct State {
    std::uint64_t recorded = 0;  ///< how often record() was called
    std::uint64_t reached = 0;   ///< the last of those that a stream has reached
    StreamClock clock;           ///< of what came before it
  };
  Device* device_;
  std::shared_ptr<State> state_;
};

class DeviceStream final : public Stream {
 public:
  explicit DeviceStream(Device& device);
  DeviceStream(const DeviceStream&) = delete;
  DeviceStream& operator=(const DeviceStream&) = delete;
  ~DeviceStream() override;
  void synchronize() override;
  void copy(View source, View target) override;
  void clear(View target) override;
  void wait(const Event& event);

  /// Throws DeviceError for what a GPU would refuse.
  void enqueue_launch(Launch launch);
  /// What a library of the device would enqueue: work of its own on the device's memory.
  void enqueue_foreign(std::function<void()> work) { enqueue({{}, std::move(work)}); }
  /// Whether a Graph is being made of what is enqueued.
  [[nodiscard]] bool is_recording() const { return queue_.recording != nullptr; }

 private:
  friend class Event;
  friend class Graph;
  void enqueue(Device::Operation operation);

  Device* device_;
  Device::Queue queue_;
};

/// Work that is recorded once and enqueued again and again with one call.
class Graph {
 public:
  Graph(DeviceStream& stream, const std::function<void()>& enqueue);
  void launch(DeviceStream& stream) const;

 private:
  std::vector<Device::Operation> operations_;
};

namespace detail {
template <class... Parameters, class... Arguments>
void launch_as(const char* name, void (*kernel)(Parameters...), const LaunchShape& shape, bool cooperative,
               DeviceStream& stream, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                "a kernel launched with other arguments than it has");
  std::tuple<Parameters...> values(static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  stream.enqueue_launch({name, reinterpret_cast<const void*>(kernel), shape, cooperative,
                         [kernel, values] { std::apply(kernel, values); }});
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

}  // namespace dml::emulator
