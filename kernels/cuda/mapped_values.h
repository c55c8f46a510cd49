// A few values that the host writes for the device, or the device for the host, again and again: memory on
// both sides, the device's zero at first, and the copies between them. The host may touch its side only
// between wait() and the next copy.
#pragma once

#include <span>
#include <string>

#include "kernels/cuda/runtime.h"

namespace dml::DML_DEVICE {

template <class T>
class MappedValues {
 public:
  MappedValues(Device& device, std::int64_t count, const std::string& purpose)
      : count_(static_cast<std::size_t>(count)),
        host_memory_(device, count_ * sizeof(T), purpose),
        device_memory_(device, count_ * sizeof(T), purpose),
        copied_(device) {
    DeviceStream setup(device);
    setup.clear(view(device_memory_, Memory::device, count_));
    setup.synchronize();
  }

  /// The host's side, when the copy in progress is through.
  [[nodiscard]] std::span<T> host() {
    wait();
    return {static_cast<T*>(host_memory_.data()), count_};
  }
  [[nodiscard]] T* on_device() const { return static_cast<T*>(device_memory_.data()); }

  /// The first `count` values only.
  void upload(DeviceStream& stream, std::size_t count) {
    copy(view(host_memory_, Memory::host, count), view(device_memory_, Memory::device, count), stream);
  }
  void download(DeviceStream& stream, std::size_t count) {
    copy(view(device_memory_, Memory::device, count), view(host_memory_, Memory::host, count), stream);
  }
  void upload(DeviceStream& stream) { upload(stream, count_); }
  void download(DeviceStream& stream) { download(stream, count_); }

 private:
  template <class Bytes>
  [[nodiscard]] static View view(const Bytes& bytes, Memory memory, std::size_t count) {
    return {bytes.data(), static_cast<std::int64_t>(count * sizeof(T)), DType::u8, memory};
  }
  void copy(View source, View target, DeviceStream& stream) {
    wait();
    stream.copy(source, target);
    copied_.record(stream);
    in_progress_ = true;
  }
  void wait() {
    if (in_progress_) copied_.synchronize();
    in_progress_ = false;
  }

  std::size_t count_;
  PinnedMemory host_memory_;
  DeviceMemory device_memory_;
  Event copied_;
  bool in_progress_ = false;
};

}  // namespace dml::DML_DEVICE
