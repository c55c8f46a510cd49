// What a communicator that works on a device asks of it, beyond the seam of kernels: a few words that a GPU
// and the devices of tests both understand.
#pragma once

#include <memory>
#include <string>

#include "kernels/base/backend.h"

namespace dml {

/// A place in a stream that the host can ask about without waiting. May be set again once it was reached.
class DeviceMark {
 public:
  DeviceMark() = default;
  DeviceMark(const DeviceMark&) = delete;
  DeviceMark& operator=(const DeviceMark&) = delete;
  virtual ~DeviceMark() = default;
  /// Behind everything enqueued so far.
  virtual void set(Stream& stream) = 0;
  /// From any thread that has made the device current. A device that failed counts as having reached
  /// everything: whoever waits for it is told by its own calls.
  [[nodiscard]] virtual bool reached() = 0;
};

class DeviceLink {
 public:
  DeviceLink() = default;
  DeviceLink(const DeviceLink&) = delete;
  DeviceLink& operator=(const DeviceLink&) = delete;
  virtual ~DeviceLink() = default;

  /// For the calling thread.
  virtual void make_current() = 0;
  /// What the device's own libraries call a stream of its backend: a cudaStream_t.
  [[nodiscard]] virtual void* native(Stream& stream) = 0;
  /// Whether what is enqueued is recorded in a graph instead of run.
  [[nodiscard]] virtual bool is_recording(Stream& stream) = 0;
  [[nodiscard]] virtual std::unique_ptr<DeviceMark> make_mark() = 0;
  /// Which device of this machine it is, the same in every process: a PCI bus id, "0000:3b:00.0".
  [[nodiscard]] virtual std::string place() const = 0;
};

}  // namespace dml
