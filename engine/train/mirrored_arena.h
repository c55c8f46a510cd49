// A run of values that a backend computes with and the host reads and writes now and then: parameters and
// optimizer state. On a backend whose memory is the host's both are the same memory; on a device the host has
// a copy that is brought up to date when it is asked for.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/base/backend.h"
#include "kernels/base/buffer.h"

namespace dml {

class MirroredArena {
 public:
  MirroredArena(Backend& backend, Stream& stream, std::int64_t elements, const std::string& purpose);

  /// What kernels and communicators read and write.
  [[nodiscard]] View values() const { return buffer_.view; }
  /// The same values for the host; waits for the device. What is written here reaches the device with
  /// upload().
  [[nodiscard]] View host();
  /// Gives the device what the host wrote since host(); nothing when the device has changed the values since.
  void upload();
  /// The device has changed the values: the host's copy is out of date.
  void device_changed() { host_is_current_ = false; }

 private:
  Stream& stream_;
  Buffer buffer_;
  HostBuffer mirror_;  ///< empty where buffer_ is host memory
  bool host_is_current_ = false;
};

}  // namespace dml
