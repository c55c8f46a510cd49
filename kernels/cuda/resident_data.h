// The data set on the device: uploaded once, read by all executables of a rank.
#pragma once

#include <memory>

#include "kernels/base/backend.h"
#include "kernels/cuda/runtime.h"

namespace dml::DML_DEVICE {

struct ResidentData {
  DeviceMemory images, labels;

  [[nodiscard]] const std::uint8_t* image_bytes() const {
    return static_cast<const std::uint8_t*>(images.data());
  }
  [[nodiscard]] const std::uint8_t* label_bytes() const {
    return static_cast<const std::uint8_t*>(labels.data());
  }

  /// The device's copy of `data`, made at the first call.
  static std::shared_ptr<const ResidentData> of(const DataBinding& data, Device& device);
};

}  // namespace dml::DML_DEVICE
