#include "kernels/base/backend.h"

#include <algorithm>
#include <cstring>

#include "kernels/base/buffer.h"

namespace dml {

std::string to_string(KernelChoice choice) {
  switch (choice) {
    case KernelChoice::automatic:
      return "auto";
    case KernelChoice::custom:
      return "custom";
    case KernelChoice::library:
      return "library";
  }
  return "unknown";
}
namespace {

template <class Value>
void sum_on_host(std::span<const Value> copies, std::span<Value> sum) {
  std::copy_n(copies.begin(), sum.size(), sum.begin());
  for (std::size_t start = sum.size(); start < copies.size(); start += sum.size()) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += copies[start + i];
  }
}

template <class Value>
void scale_on_host(std::span<Value> values, double factor) {
  for (Value& value : values) value *= static_cast<Value>(factor);
}

}  // namespace

void HostStream::copy(View source, View target) {
  DML_ASSERT(source.memory == Memory::host && target.memory == Memory::host,
             "a stream of the host cannot reach the memory of a device");
  DML_ASSERT(source.bytes() == target.bytes(), "a copy between views of different sizes");
  if (!source.empty()) std::memmove(target.data, source.data, source.bytes());
}

void HostStream::clear(View target) {
  DML_ASSERT(target.memory == Memory::host, "a stream of the host cannot reach the memory of a device");
  if (!target.empty()) std::memset(target.data, 0, target.bytes());
}

Buffer Backend::allocate(std::int64_t elements, const std::string& /*purpose*/) {
  auto memory = std::make_shared<HostBuffer>(elements, dtype());
  return {memory->view(), memory};
}

Buffer Backend::allocate_staging(std::int64_t bytes) {
  auto memory = std::make_shared<HostBuffer>(bytes, DType::u8);
  return {memory->view(), memory};
}

void Backend::sum_copies(View copies, View sum, Stream& /*stream*/) {
  DML_ASSERT(sum.elements > 0 && copies.elements % sum.elements == 0,
             "copies of another size than their sum");
  if (sum.dtype == DType::f64) {
    sum_on_host<double>(copies.as<double>(), sum.as<double>());
  } else {
    sum_on_host<float>(copies.as<float>(), sum.as<float>());
  }
}

void Backend::scale(View values, double factor, Stream& /*stream*/) {
  if (values.dtype == DType::f64) {
    scale_on_host(values.as<double>(), factor);
  } else {
    scale_on_host(values.as<float>(), factor);
  }
}

}  // namespace dml
