// An emulated device as communicators see it, for the library that stands in for NCCL.
//
// The emulator runs only while its host waits: setting a mark makes it wait, so that what is marked has run.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/comm/device_link.h"
#include "kernels/emulator/runtime.h"
#include "tests/comm/threaded_device.h"

namespace dml::testing {

class EmulatedQueue final : public test::WorkQueue {
 public:
  explicit EmulatedQueue(emulator::DeviceStream& stream) : stream_(stream) {}
  void enqueue(std::function<void()> work) override { stream_.enqueue_foreign(std::move(work)); }
  [[nodiscard]] std::byte* memory_behind(const void* device_address) const override {
    return static_cast<std::byte*>(const_cast<void*>(device_address));  // NOLINT
  }

 private:
  emulator::DeviceStream& stream_;
};

class EmulatedMark final : public DeviceMark {
 public:
  void set(Stream& stream) override {
    const std::uint64_t mine = ++set_;
    static_cast<emulator::DeviceStream&>(stream).enqueue_foreign(
        [reached = reached_, mine] { *reached = mine; });
    stream.synchronize();
  }
  [[nodiscard]] bool reached() override { return *reached_ == set_; }

 private:
  std::atomic<std::uint64_t> set_{0};
  std::shared_ptr<std::atomic<std::uint64_t>> reached_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

class EmulatedLink final : public DeviceLink {
 public:
  void make_current() override {}
  [[nodiscard]] void* native(Stream& stream) override {
    std::unique_ptr<EmulatedQueue>& queue = queues_[&stream];
    if (!queue) queue = std::make_unique<EmulatedQueue>(static_cast<emulator::DeviceStream&>(stream));
    return static_cast<test::WorkQueue*>(queue.get());
  }
  [[nodiscard]] bool is_recording(Stream& stream) override {
    return static_cast<emulator::DeviceStream&>(stream).is_recording();
  }
  [[nodiscard]] std::unique_ptr<DeviceMark> make_mark() override { return std::make_unique<EmulatedMark>(); }
  [[nodiscard]] std::string place() const override { return "emulated"; }

 private:
  std::map<Stream*, std::unique_ptr<EmulatedQueue>> queues_;
};

}  // namespace dml::testing
