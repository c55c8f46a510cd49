// Arrays on the emulated device for tests that call launchers directly.
//
// An array ends where its memory ends, so that reading or writing behind it runs into a red zone; `lead`
// elements before it are never written by the host, so that a kernel that reads or writes them is seen.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "kernels/base/philox.h"
#include "kernels/cuda/runtime.h"

#if defined(DML_TEST_CHECKED)
#include "kernels/emulator/checker.h"
#endif

namespace dml::test {

namespace device = DML_DEVICE;

/// Orders of threads and blocks in which every launch is tried; 0 is the natural one.
inline constexpr std::uint64_t kOrders[] = {0, 1, 2};

/// A device and a stream on it; under the checker every access of a kernel is looked at.
class DeviceUnderTest {
 public:
  explicit DeviceUnderTest(std::uint64_t order) : device_(options(order)), stream_(device_) {}
  device::Device& device() { return device_; }
  device::DeviceStream& stream() { return stream_; }

 private:
  static DeviceOptions options(std::uint64_t order) {
#if defined(DML_TEST_CHECKED)
    emulator::check_all_launches();
#endif
    return {.id = 0, .seed = order};
  }
  device::Device device_;
  device::DeviceStream stream_;
};

template <class T>
class DeviceArray {
 public:
  DeviceArray(DeviceUnderTest& on, std::vector<T> values, std::size_t lead = 0)
      : DeviceArray(on, values.size(), lead) {
    copy(View{values.data(), view().elements, DType::u8, Memory::host}, view());
  }
  /// Not initialised, as a kernel's output is: nothing may read it before the kernel has written it.
  DeviceArray(DeviceUnderTest& on, std::size_t elements, std::size_t lead = 0)
      : on_(&on),
        elements_(elements),
        lead_(lead),
        memory_(on.device(), (lead + elements) * sizeof(T), "an array under test") {}

  T* data() const { return static_cast<T*>(memory_.data()) + lead_; }

  /// Waits for everything enqueued so far. What precedes the array has to be as it was.
  std::vector<T> values() {
    std::vector<T> host(lead_ + elements_);
    const auto bytes = static_cast<std::int64_t>(host.size() * sizeof(T));
    copy(View{memory_.data(), bytes, DType::u8, Memory::device},
         View{host.data(), bytes, DType::u8, Memory::host});
    constexpr int kFresh = 0xff;
    for (std::size_t i = 0; i < lead_ * sizeof(T); ++i) {
      EXPECT_EQ(std::bit_cast<unsigned char>(reinterpret_cast<const std::byte*>(host.data())[i]), kFresh)
          << "byte " << i << " before the array was written";
    }
    return {host.begin() + static_cast<std::ptrdiff_t>(lead_), host.end()};
  }

 private:
  View view() const {
    return {data(), static_cast<std::int64_t>(elements_ * sizeof(T)), DType::u8, Memory::device};
  }
  void copy(View source, View target) {
    on_->stream().copy(source, target);
    on_->stream().synchronize();
  }

  DeviceUnderTest* on_;
  std::size_t elements_, lead_;
  device::DeviceMemory memory_;
};

/// The same bits, or both a NaN.
inline bool same_value(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

inline ::testing::AssertionResult same_values(const std::vector<float>& actual,
                                              const std::vector<float>& expected) {
  if (actual.size() != expected.size()) {
    return ::testing::AssertionFailure() << actual.size() << " values, expected " << expected.size();
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!same_value(actual[i], expected[i])) {
      return ::testing::AssertionFailure() << "value " << i << " of " << actual.size() << " is " << actual[i]
                                           << ", expected " << expected[i];
    }
  }
  return ::testing::AssertionSuccess();
}

inline std::vector<float> random_values(std::size_t count, std::uint32_t stream, float scale = 1) {
  std::vector<float> values(count);
  const PhiloxStream random(5, RandomUse::synthetic_data, stream);
  for (std::size_t i = 0; i < count; ++i) values[i] = scale * (2 * random.uniform(i) - 1);
  return values;
}

/// Integers in [-range, range]: many ties, exact sums.
inline std::vector<float> random_integers(std::size_t count, std::uint32_t stream, int range) {
  std::vector<float> values(count);
  const PhiloxStream random(6, RandomUse::synthetic_data, stream);
  const auto choices = static_cast<std::uint32_t>(2 * range + 1);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(static_cast<int>(random.word(i) % choices) - range);
  }
  return values;
}

}  // namespace dml::test
