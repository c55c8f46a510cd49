// Gather, ReLU, sums of copies, the check for NaNs, cursor and clock: exact, at any alignment, in any order.
#include <algorithm>
#include <limits>

#include "kernels/cuda/pointwise.h"
#include "tests/kernels/emulator/device_arrays.h"

namespace dml::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Sizes around a group of four, a block of threads and a block of groups.
constexpr std::size_t kSizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 255, 257, 1023, 1030};

/// Random values, among them everything that a comparison may get wrong.
std::vector<float> awkward_values(std::size_t count, std::uint32_t stream) {
  std::vector<float> values = random_values(count, stream);
  constexpr float kSpecial[] = {0.0F,      -0.0F,      std::numeric_limits<float>::quiet_NaN(),
                                kInfinity, -kInfinity, std::numeric_limits<float>::denorm_min(),
                                -1.0e-42F};
  for (std::size_t i = 0; i < count; i += 2) values[i] = kSpecial[(i / 2 + stream) % std::size(kSpecial)];
  return values;
}

TEST(PointwiseKernels, GatherTheSamplesOfTheStepInProgress) {
  std::vector<float> table = random_values(256, 1);
  for (const std::size_t elements : {1, 3, 4, 15, 144, 300}) {
    for (const std::size_t N : {0, 1, 7}) {
      for (const std::size_t lead : {0, 1, 2}) {
        SCOPED_TRACE(std::to_string(N) + " samples of " + std::to_string(elements) + ", lead " +
                     std::to_string(lead));
        constexpr std::size_t kSamples = 9;
        std::vector<std::uint8_t> images(kSamples * elements);
        for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(i * 37 % 251);
        images.back() = 255;
        std::vector<std::int64_t> indices(3 * N, 0);
        for (std::size_t n = 0; n < N; ++n)
          indices[2 * N + n] = static_cast<std::int64_t>((8 + 5 * n) % kSamples);
        for (const std::uint64_t order : kOrders) {
          DeviceUnderTest on(order);
          DeviceArray<std::uint8_t> device_images(on, images, lead == 2 ? 1 : 0);
          DeviceArray<float> device_table(on, table), x(on, N * elements, lead);
          DeviceArray<std::int64_t> device_indices(on, indices);
          DeviceArray<std::int32_t> cursor(on, std::vector<std::int32_t>{2});
          device::gather_normalize(
              static_cast<std::int64_t>(N), static_cast<std::int64_t>(elements),
              {device_images.data(), device_table.data(), {device_indices.data(), cursor.data()}}, x.data(),
              on.stream());
          std::vector<float> expected;
          for (std::size_t n = 0; n < N; ++n) {
            const auto sample = static_cast<std::size_t>(indices[2 * N + n]);
            for (std::size_t i = 0; i < elements; ++i) {
              expected.push_back(table[images[sample * elements + i]]);
            }
          }
          EXPECT_TRUE(same_values(x.values(), expected)) << "order " << order;
        }
      }
    }
  }
}

TEST(PointwiseKernels, ReluKeepsNaNsAndItsGradientFollowsTheOutput) {
  for (const std::size_t count : kSizes) {
    for (const std::size_t lead : {0, 1, 3}) {
      SCOPED_TRACE(std::to_string(count) + " elements, lead " + std::to_string(lead));
      const std::vector<float> x = awkward_values(count, 2), dy = random_values(count, 3);
      std::vector<float> y(count), dx(count);
      for (std::size_t i = 0; i < count; ++i) {
        y[i] = x[i] < 0 ? 0 : x[i];
        dx[i] = y[i] > 0 ? dy[i] : 0;
      }
      for (const std::uint64_t order : kOrders) {
        DeviceUnderTest on(order);
        const auto elements = static_cast<std::int64_t>(count);
        DeviceArray<float> device_x(on, x), device_y(on, count, lead);
        DeviceArray<float> device_dy(on, dy, (lead + 1) % 4), device_dx(on, count, lead);
        device::relu_forward(elements, device_x.data(), device_y.data(), on.stream());
        device::relu_backward(elements, device_dy.data(), device_y.data(), device_dx.data(), on.stream());
        EXPECT_TRUE(same_values(device_y.values(), y)) << "order " << order;
        EXPECT_TRUE(same_values(device_dx.values(), dx)) << "order " << order;
      }
    }
  }
}

TEST(PointwiseKernels, CopiesAreSummedFromTheFirstToTheLast) {
  for (const std::size_t count : kSizes) {
    for (const std::size_t copies : {1, 2, 3, 7}) {
      SCOPED_TRACE(std::to_string(copies) + " copies of " + std::to_string(count));
      // Magnitudes of 2^24 and 1: another order of the sum has other bits.
      std::vector<float> values = random_values(copies * count, 4);
      for (std::size_t i = 0; i < values.size(); i += 3) values[i] *= 0x1p24F;
      std::vector<float> expected(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count));
      std::vector<float> backwards(count, 0);
      for (std::size_t copy = 1; copy < copies; ++copy) {
        for (std::size_t i = 0; i < count; ++i) expected[i] += values[copy * count + i];
      }
      for (std::size_t copy = copies; copy-- > 0;) {
        for (std::size_t i = 0; i < count; ++i) backwards[i] += values[copy * count + i];
      }
      if (copies == 7 && count > 200) {
        EXPECT_NE(expected, backwards) << "nothing was proven";
      }
      for (const std::size_t lead : {0, 2}) {
        DeviceUnderTest on(lead);
        DeviceArray<float> device_copies(on, values, lead / 2), sum(on, count, lead);
        device::sum_copies(static_cast<std::int64_t>(count), static_cast<std::int64_t>(copies),
                           device_copies.data(), sum.data(), on.stream());
        EXPECT_TRUE(same_values(sum.values(), expected));
      }
    }
  }
}

TEST(PointwiseKernels, ScaleEveryElementOnce) {
  for (const std::size_t count : kSizes) {
    for (const std::size_t lead : {0, 1, 2, 3}) {
      SCOPED_TRACE(std::to_string(count) + " elements, lead " + std::to_string(lead));
      const std::vector<float> values = random_values(count, 6);
      std::vector<float> expected = values;
      for (float& value : expected) value *= 0.3F;
      DeviceUnderTest on(lead);
      DeviceArray<float> device_values(on, values, lead);
      device::scale(static_cast<std::int64_t>(count), 0.3F, device_values.data(), on.stream());
      EXPECT_TRUE(same_values(device_values.values(), expected));
    }
  }
}

bool found_finite(const std::vector<float>& values, std::size_t lead, std::uint64_t order) {
  DeviceUnderTest on(order);
  DeviceArray<float> device_values(on, values, lead);
  DeviceArray<std::int32_t> finite(on, std::vector<std::int32_t>{1234});
  device::check_finite(static_cast<std::int64_t>(values.size()), device_values.data(), finite.data(),
                       on.stream());
  const std::int32_t flag = finite.values().front();
  EXPECT_TRUE(flag == 0 || flag == 1) << flag;
  return flag != 0;
}

TEST(PointwiseKernels, FindAnySingleValueThatIsNotFinite) {
  for (const std::size_t count : kSizes) {
    for (const std::size_t lead : {0, 1, 2, 3}) {
      SCOPED_TRACE(std::to_string(count) + " elements, lead " + std::to_string(lead));
      std::vector<float> values = random_values(count, 5);
      if (count > 2) values[0] = std::numeric_limits<float>::max();
      if (count > 2) values[2] = std::numeric_limits<float>::denorm_min();
      EXPECT_TRUE(found_finite(values, lead, lead));
      const std::size_t step = count < 20 ? 1 : count / 5;
      for (std::size_t i = 0; i < count; i += step) {
        const float healthy = values[i];
        constexpr float kBad[] = {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};
        values[i] = kBad[(i + lead) % std::size(kBad)];
        EXPECT_FALSE(found_finite(values, lead, lead)) << "element " << i << " is " << values[i];
        values[i] = healthy;
      }
      if (count == 0) continue;
      values.back() = -kInfinity;
      EXPECT_FALSE(found_finite(values, lead, lead)) << "the last element";
    }
  }
  EXPECT_FALSE(found_finite(std::vector<float>(1030, kInfinity), 1, 1)) << "all of them";
}

TEST(PointwiseKernels, AdvanceTheCursorByOne) {
  DeviceUnderTest on(1);
  DeviceArray<std::int32_t> cursor(on, std::vector<std::int32_t>{40});
  for (int step = 0; step < 3; ++step) device::advance_cursor(cursor.data(), on.stream());
  EXPECT_EQ(cursor.values().front(), 43);
}

TEST(PointwiseKernels, NoteTimesThatGoOn) {
  DeviceUnderTest on(1);
  DeviceArray<std::int32_t> cursor(on, std::vector<std::int32_t>{0});
  DeviceArray<std::int64_t> times(on, std::vector<std::int64_t>(6, -1));
  for (int step = 0; step < 3; ++step) {
    device::note_time(cursor.data(), 2, 1, times.data(), on.stream());
    device::advance_cursor(cursor.data(), on.stream());
  }
  const std::vector<std::int64_t> noted = times.values();
  for (const std::size_t untouched : {0, 2, 4}) EXPECT_EQ(noted[untouched], -1);
  EXPECT_GT(noted[1], 0);
  EXPECT_GE(noted[3], noted[1]);
  EXPECT_GE(noted[5], noted[3]);
}

}  // namespace
}  // namespace dml::test
