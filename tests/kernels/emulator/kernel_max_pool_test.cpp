// Max pooling against plain loops: values, winners and gradients, bit for bit, with ties and NaNs.
#include <cmath>
#include <limits>

#include "kernels/cuda/pointwise.h"
#include "tests/kernels/emulator/device_arrays.h"
#include "tests/kernels/problem_shapes.h"

namespace dml::test {
namespace {

std::vector<Problem<PoolShape>> problems() {
  auto problems = pool_problems();
  // clang-format off
  //                                    N  C   H   W window stride
  problems.push_back({"3x3_with_tail", {2, 3, 10, 11, 3, 3}});
  problems.push_back({"window_4_of_3", {2, 3, 11, 14, 4, 3}});
  problems.push_back({"window_5_of_2", {1, 2, 12,  9, 5, 2}});
  problems.push_back({"odd_2x2",       {2, 2,  5,  5, 2, 2}});
  problems.push_back({"one_row_2x2",   {3, 1,  2,  9, 2, 2}});
  // A winner past the 255th place needs both bytes.
  problems.push_back({"window_40",     {1, 2, 41, 42, 40, 1}});
  problems.push_back({"empty_cells",   {1, 2, 13, 10, 2, 7}});
  // clang-format on
  return problems;
}

struct Expected {
  std::vector<float> y, dx;
  std::vector<std::uint16_t> winners;
};

Expected expected_of(const PoolShape& s, const std::vector<float>& x, const std::vector<float>& dy) {
  Expected expected;
  expected.dx.assign(x.size(), 0);
  for (std::int64_t plane = 0; plane < s.N * s.C; ++plane) {
    for (std::int64_t p = 0; p < s.P(); ++p) {
      for (std::int64_t q = 0; q < s.Q(); ++q) {
        const std::int64_t corner = (plane * s.H + p * s.stride) * s.W + q * s.stride;
        std::int64_t place = 0, best = corner;
        for (std::int64_t r = 0; r < s.window; ++r) {
          for (std::int64_t t = 0; t < s.window; ++t) {
            const std::int64_t at = corner + r * s.W + t;
            const float value = x[static_cast<std::size_t>(at)];
            if (!(value > x[static_cast<std::size_t>(best)]) && !std::isnan(value)) continue;
            best = at;
            place = r * s.window + t;
          }
        }
        expected.dx[static_cast<std::size_t>(best)] += dy[expected.y.size()];
        expected.y.push_back(x[static_cast<std::size_t>(best)]);
        expected.winners.push_back(static_cast<std::uint16_t>(place));
      }
    }
  }
  return expected;
}

void expect_as_loops(const PoolShape& shape, const std::vector<float>& x, const std::vector<float>& dy,
                     std::uint64_t order) {
  const Expected expected = expected_of(shape, x, dy);
  DeviceUnderTest on(order);
  DeviceArray<float> device_x(on, x), device_dy(on, dy);
  DeviceArray<float> y(on, dy.size()), y_alone(on, dy.size()), dx(on, x.size());
  DeviceArray<std::uint16_t> winners(on, dy.size());
  device::max_pool_forward(shape, device_x.data(), y.data(), winners.data(), on.stream());
  device::max_pool_forward(shape, device_x.data(), y_alone.data(), nullptr, on.stream());
  device::max_pool_backward(shape, device_dy.data(), winners.data(), dx.data(), on.stream());
  EXPECT_TRUE(same_values(y.values(), expected.y));
  EXPECT_TRUE(same_values(y_alone.values(), expected.y));
  EXPECT_EQ(winners.values(), expected.winners);
  EXPECT_TRUE(same_values(dx.values(), expected.dx));
}

TEST(MaxPoolKernels, FollowPlainLoopsOnEveryShape) {
  for (const auto& [name, shape] : problems()) {
    const auto inputs = static_cast<std::size_t>(shape.input_elements());
    const auto outputs = static_cast<std::size_t>(shape.output_elements());
    for (const std::uint64_t order : kOrders) {
      SCOPED_TRACE(name + ", order " + std::to_string(order));
      // Three different values: nearly every window has ties.
      expect_as_loops(shape, random_integers(inputs, 1, 1), random_values(outputs, 2), order);
    }
    SCOPED_TRACE(name + ", no ties");
    expect_as_loops(shape, random_values(inputs, 3), random_values(outputs, 4), 0);
  }
}

TEST(MaxPoolKernels, LetTheLastNaNOfAWindowWin) {
  for (const auto& [name, shape] : problems()) {
    SCOPED_TRACE(name);
    auto x = random_integers(static_cast<std::size_t>(shape.input_elements()), 5, 1);
    for (std::size_t i = 0; i < x.size(); i += i % 7 + 1) x[i] = std::numeric_limits<float>::quiet_NaN();
    for (std::size_t i = 3; i < x.size(); i += 11) x[i] = std::numeric_limits<float>::infinity();
    expect_as_loops(shape, x, random_values(static_cast<std::size_t>(shape.output_elements()), 6), 1);
  }
}

}  // namespace
}  // namespace dml::test
