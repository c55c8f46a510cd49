// A device for tests of communicators: memory that the host cannot touch, and streams whose work runs later,
// each on a thread of its own.
//
// An address of the device is that of some host memory plus kDeviceBias, which no program can access: a read
// or write by mistake is a segmentation fault. Work begins after a short pause that differs each time, so
// that a missing wait shows. Fresh memory holds NaN. Nothing can be compiled for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "engine/comm/device_link.h"
#include "kernels/base/backend.h"

namespace dml::test {

inline constexpr std::uintptr_t kDeviceBias = std::uintptr_t{1} << 60U;

/// Where the values behind an address of the device really lie: for the device's own work.
template <class T>
T* behind(T* device_address) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(device_address) - kDeviceBias);
}

/// What DeviceLink::native() points to: how libraries of the device enqueue their work and reach its memory.
class WorkQueue {
 public:
  WorkQueue() = default;
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;
  virtual ~WorkQueue() = default;
  virtual void enqueue(std::function<void()> work) = 0;
  /// Where the values behind an address of the device really lie.
  [[nodiscard]] virtual std::byte* memory_behind(const void* device_address) const = 0;
};

class ThreadedStream final : public Stream, public WorkQueue {
 public:
  ThreadedStream();
  ThreadedStream(const ThreadedStream&) = delete;
  ThreadedStream& operator=(const ThreadedStream&) = delete;
  /// Runs what is still there.
  ~ThreadedStream() override;
  void synchronize() override;
  void copy(View source, View target) override;
  void clear(View target) override;
  void enqueue(std::function<void()> work) override;
  [[nodiscard]] std::byte* memory_behind(const void* device_address) const override {
    return behind(static_cast<std::byte*>(const_cast<void*>(device_address)));  // NOLINT
  }
  [[nodiscard]] bool is_idle();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool running_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

class ThreadedBackend final : public Backend {
 public:
  [[nodiscard]] std::string name() const override { return "threaded"; }
  [[nodiscard]] DType dtype() const override { return DType::f32; }
  [[nodiscard]] Memory memory() const override { return Memory::device; }
  [[nodiscard]] std::unique_ptr<Stream> make_stream() override;
  [[nodiscard]] Buffer allocate(std::int64_t elements, const std::string& purpose) override;
  [[nodiscard]] Buffer allocate_staging(std::int64_t bytes) override;
  [[nodiscard]] std::unique_ptr<Executable> compile(std::span<const Operation> operations,
                                                    ParameterBinding& parameters, const DataBinding& data,
                                                    const CompileOptions& options) override;
  [[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                                          ParameterBinding& parameters, View state,
                                                          std::int64_t first, std::int64_t count) override;
};

class ThreadedLink final : public DeviceLink {
 public:
  explicit ThreadedLink(std::string place = "0000:01:00.0") : place_(std::move(place)) {}
  void make_current() override {}
  [[nodiscard]] void* native(Stream& stream) override;
  [[nodiscard]] bool is_recording(Stream& /*stream*/) override { return records; }
  [[nodiscard]] std::unique_ptr<DeviceMark> make_mark() override;
  [[nodiscard]] std::string place() const override { return place_; }

  std::atomic<bool> records{false};  ///< as if a graph were being recorded
  std::atomic<int> marks{0};         ///< how many were made

 private:
  std::string place_;
};

/// Values in the memory of the device, for as long as the object lives.
template <class T>
class DeviceValues {
 public:
  DeviceValues(Backend& backend, Stream& stream, std::span<const T> values)
      : stream_(stream),
        buffer_(backend.allocate(static_cast<std::int64_t>((values.size_bytes() + 3) / 4), "values")) {
    view_ = {buffer_.view.data, static_cast<std::int64_t>(values.size()), DTypeOf<T>::value, Memory::device};
    std::vector<T> source(values.begin(), values.end());
    stream_.copy(view_of(std::span(source)), view_);
    stream_.synchronize();
  }
  DeviceValues(const DeviceValues&) = delete;
  DeviceValues& operator=(const DeviceValues&) = delete;
  ~DeviceValues() { stream_.synchronize(); }
  [[nodiscard]] View view() const { return view_; }
  [[nodiscard]] std::vector<T> read() const {
    std::vector<T> target(static_cast<std::size_t>(view_.elements));
    stream_.copy(view_, view_of(std::span(target)));
    stream_.synchronize();
    return target;
  }

 private:
  Stream& stream_;
  Buffer buffer_;
  View view_;
};

}  // namespace dml::test
