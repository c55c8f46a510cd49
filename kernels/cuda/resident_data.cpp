#include "kernels/cuda/resident_data.h"

namespace dml::DML_DEVICE {
namespace {

/// A view of bytes that a copy reads; copies never write to their source.
View readable(std::span<const std::uint8_t> bytes) {
  return {const_cast<std::uint8_t*>(bytes.data()), static_cast<std::int64_t>(bytes.size()),
          DType::u8};  // NOLINT
}

DeviceMemory upload(std::span<const std::uint8_t> bytes, Device& device, DeviceStream& stream,
                    const std::string& purpose) {
  DeviceMemory memory(device, bytes.size(), purpose);
  stream.copy(readable(bytes),
              {memory.data(), static_cast<std::int64_t>(bytes.size()), DType::u8, Memory::device});
  return memory;
}

}  // namespace

std::shared_ptr<const ResidentData> ResidentData::of(const DataBinding& data, Device& device) {
  if (!data.resident) {
    DeviceStream stream(device);
    auto copy = std::make_shared<ResidentData>();
    copy->images = upload(data.images, device, stream, "the images of the data set");
    copy->labels = upload(data.labels, device, stream, "the labels of the data set");
    stream.synchronize();
    data.resident = copy;
  }
  return std::static_pointer_cast<const ResidentData>(data.resident);
}

}  // namespace dml::DML_DEVICE
