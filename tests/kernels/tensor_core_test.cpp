// The tensor-core wrappers against two published descriptions of who holds what:
//
//   - the fragment formulas of the PTX ISA 8.7, sections "Matrix Fragments for mma.m16n8k8" (.tf32), "... for
//     mma.m16n8k16 with floating point type" (.bf16) and "ldmatrix", per element i of a lane;
//   - the thread-value layouts of CUTLASS's CuTe (mma_traits_sm80.hpp: SM80_16x8x8_F32TF32TF32F32_TN,
//     SM80_16x8x16_F32BF16BF16F32_TN; copy_traits_sm75.hpp: LDSM_N, LDSM_T), as their strides.
//
// Both are written down here as data, must agree, and then place the elements of matrices in registers. By
// the emulator, plain and with every access checked; or, compiled for a GPU, there.
#include <bit>
#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <string>
#include <vector>

#include "tests/kernels/emulator/device_arrays.h"
#include "tests/kernels/tensor_core_kernels.h"

namespace dml::test {
namespace {

/// Row and column in a matrix.
struct Place {
  int row, column;
  bool operator==(const Place&) const = default;
};

/// Where element `i` of a lane's fragment belongs.
using Table = std::function<Place(int lane, int i)>;

int group_of(int lane) {
  return lane >> 2;
}
int thread_in_group(int lane) {
  return lane % 4;
}

/// CuTe's notation: lane (4, 8) and element (2, 2, 2) with a stride for each digit; the sum is an index into
/// a matrix whose first dimension (M, or N for B) is contiguous and has `contiguous` elements.
struct CuteLayout {
  int lane_strides[2];
  std::vector<int> value_strides;
  int contiguous;
  bool first_is_column;  ///< B is described as (N, K)

  Place operator()(int lane, int i) const {
    int index = lane % 4 * lane_strides[0] + lane / 4 * lane_strides[1];
    for (const int stride : value_strides) {
      index += i % 2 * stride;
      i /= 2;
    }
    const int first = index % contiguous, second = index / contiguous;
    return first_is_column ? Place{second, first} : Place{first, second};
  }
};

struct Fragment {
  std::string name;
  int rows, columns, elements;  ///< of the matrix; of a lane
  Table ptx, cute;
};

const Fragment kTf32A{"tf32 A",
                      16,
                      8,
                      4,
                      [](int lane, int i) {
                        // row: groupID for a0 and a2, groupID + 8 for a1 and a3
                        // col: threadID_in_group for a0 and a1, threadID_in_group + 4 for a2 and a3
                        const int row = i == 0 || i == 2 ? group_of(lane) : group_of(lane) + 8;
                        const int column = i < 2 ? thread_in_group(lane) : thread_in_group(lane) + 4;
                        return Place{row, column};
                      },
                      CuteLayout{{16, 1}, {8, 64}, 16, false}};
const Fragment kTf32B{
    "tf32 B",
    8,
    8,
    2,
    [](int lane, int i) {
      // row: threadID_in_group for b0, threadID_in_group + 4 for b1; col: groupID
      return Place{i == 0 ? thread_in_group(lane) : thread_in_group(lane) + 4, group_of(lane)};
    },
    CuteLayout{{8, 1}, {32}, 8, true}};
const Fragment kBf16A{
    "bf16 A",
    16,
    16,
    8,
    [](int lane, int i) {
      // row: groupID where 0 <= i < 2 or 4 <= i < 6, else groupID + 8
      // col: threadID_in_group * 2 + (i & 1) where i < 4, else the same + 8
      const bool upper = (i >= 0 && i < 2) || (i >= 4 && i < 6);
      const int column = thread_in_group(lane) * 2 + (i & 1);
      return Place{upper ? group_of(lane) : group_of(lane) + 8, i < 4 ? column : column + 8};
    },
    CuteLayout{{32, 1}, {16, 8, 128}, 16, false}};
const Fragment kBf16B{"bf16 B",
                      16,
                      8,
                      4,
                      [](int lane, int i) {
                        // row: threadID_in_group * 2 + (i & 1) where i < 2, else the same + 8; col: groupID
                        const int row = thread_in_group(lane) * 2 + (i & 1);
                        return Place{i < 2 ? row : row + 8, group_of(lane)};
                      },
                      CuteLayout{{16, 1}, {8, 64}, 8, true}};
const Fragment kSums{
    "sums",
    16,
    8,
    4,
    [](int lane, int i) {
      // row: groupID for c0 and c1, groupID + 8 for c2 and c3
      // col: threadID_in_group * 2 + (i & 1)
      return Place{i < 2 ? group_of(lane) : group_of(lane) + 8, thread_in_group(lane) * 2 + (i & 1)};
    },
    CuteLayout{{32, 1}, {16, 8}, 16, false}};

TEST(TensorCore, BothPublishedTablesAgreeAndCoverEachMatrixOnce) {
  for (const Fragment* fragment : {&kTf32A, &kTf32B, &kBf16A, &kBf16B, &kSums}) {
    std::vector<int> seen(static_cast<std::size_t>(fragment->rows * fragment->columns));
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < fragment->elements; ++i) {
        const Place place = fragment->ptx(lane, i);
        EXPECT_EQ(place, fragment->cute(lane, i)) << fragment->name << ", lane " << lane << ", element " << i;
        ++seen.at(static_cast<std::size_t>(place.row * fragment->columns + place.column));
      }
    }
    for (const int times : seen) EXPECT_EQ(times, 1) << fragment->name;
  }
}

// ---- products

using Matrix = std::vector<std::vector<float>>;

Matrix matrix_of(int rows, int columns, const std::function<float(int)>& value) {
  Matrix matrix(static_cast<std::size_t>(rows), std::vector<float>(static_cast<std::size_t>(columns)));
  int i = 0;
  for (auto& row : matrix) {
    for (float& x : row) x = value(i++);
  }
  return matrix;
}

/// Small integers that repeat nowhere near each other: exact in bf16, and in any order of additions.
float small_integer(int i) {
  return static_cast<float>((i * 37 + i / 7) % 23 - 11);
}

float at(const Matrix& matrix, Place place) {
  return matrix[static_cast<std::size_t>(place.row)][static_cast<std::size_t>(place.column)];
}

std::vector<float> lanes_of(const Fragment& fragment, const Matrix& matrix) {
  std::vector<float> values;
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < fragment.elements; ++i) values.push_back(at(matrix, fragment.ptx(lane, i)));
  }
  return values;
}

std::vector<unsigned> as_tf32(const std::vector<float>& values) {
  std::vector<unsigned> registers;
  for (const float x : values) registers.push_back(std::bit_cast<unsigned>(x));
  return registers;
}
/// Two values in a register, the first in its lower half.
std::vector<unsigned> as_bf16(const std::vector<float>& values) {
  std::vector<unsigned> registers;
  for (std::size_t i = 0; i < values.size(); i += 2) {
    registers.push_back(std::bit_cast<unsigned>(values[i]) >> 16U |
                        (std::bit_cast<unsigned>(values[i + 1]) & 0xffff0000U));
  }
  return registers;
}

template <class Run, class Pack>
void check_product(const Fragment& a, const Fragment& b, Pack&& pack, Run&& run) {
  const Matrix left = matrix_of(a.rows, a.columns, small_integer);
  const Matrix right = matrix_of(b.rows, b.columns, [](int i) { return small_integer(i + 1000); });
  const Matrix before = matrix_of(16, 8, [](int i) { return small_integer(i + 5000); });
  Matrix expected = before;
  for (std::size_t m = 0; m < 16; ++m) {
    for (std::size_t n = 0; n < 8; ++n) {
      for (std::size_t k = 0; k < right.size(); ++k) expected[m][n] += left[m][k] * right[k][n];
    }
  }
  for (const std::uint64_t order : kOrders) {
    DeviceUnderTest on(order);
    DeviceArray<unsigned> a_lanes(on, pack(lanes_of(a, left))), b_lanes(on, pack(lanes_of(b, right)));
    DeviceArray<float> sums(on, lanes_of(kSums, before));
    run(a_lanes.data(), b_lanes.data(), sums.data(), on.stream());
    EXPECT_EQ(sums.values(), lanes_of(kSums, expected));
  }
}

TEST(TensorCore, MultipliesTf32) {
  check_product(kTf32A, kTf32B, as_tf32, device::run_multiply_tf32);
}
TEST(TensorCore, MultipliesBf16) {
  check_product(kBf16A, kBf16B, as_bf16, device::run_multiply_bf16);
}

/// What lies below tf32's mantissa is not seen: 1 + 2^-11 is 1.
TEST(TensorCore, IgnoresTheLowBitsOfTf32) {
  DeviceUnderTest on(0);
  const float slightly_more = 1.0F + std::ldexp(1.0F, -11);
  DeviceArray<unsigned> a(on, std::vector<unsigned>(128, std::bit_cast<unsigned>(slightly_more)));
  DeviceArray<unsigned> b(on, std::vector<unsigned>(64, std::bit_cast<unsigned>(1.0F)));
  DeviceArray<float> sums(on, std::vector<float>(128, 0.0F));
  device::run_multiply_tf32(a.data(), b.data(), sums.data(), on.stream());
  EXPECT_EQ(sums.values(), std::vector<float>(128, 8.0F));
}

// ---- loads

/// Element `half` of a lane's register for one 8x8 matrix, by the PTX ISA: row = lane / 4, columns 2 * (lane
/// % 4) + half; .trans exchanges the two.
Place loaded(int lane, int half, bool turned) {
  const Place place{lane / 4, 2 * (lane % 4) + half};
  return turned ? Place{place.column, place.row} : place;
}

/// The same by CuTe, which counts bits: rows of 128. LDSM_N: lanes 32 bits apart, values side by side.
/// LDSM_T: lanes (4, 8) with strides (256, 16), the two halves 128 bits apart.
Place loaded_by_cute(int lane, int half, bool turned) {
  const int bit = turned ? lane % 4 * 256 + lane / 4 * 16 + half * 128 : lane * 32 + half * 16;
  return {bit / 128, bit % 128 / 16};
}

TEST(TensorCore, LoadsMatricesByBothPublishedTables) {
  for (const int matrices : {1, 2, 4}) {
    for (const bool turned : {false, true}) {
      for (const int stride : {8, 24}) {  // in 16-bit values
        std::vector<std::uint16_t> table(static_cast<std::size_t>(matrices) * 64);
        for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::uint16_t>(i * 257 + 1);
        DeviceUnderTest on(1);
        DeviceArray<std::uint16_t> source(on, table);
        DeviceArray<unsigned> registers(on, static_cast<std::size_t>(32 * matrices));
        device::run_load_matrices(matrices, turned, stride, source.data(), registers.data(), on.stream());
        const std::vector<unsigned> r = registers.values();
        for (int lane = 0; lane < 32; ++lane) {
          for (int m = 0; m < matrices; ++m) {
            for (int half = 0; half < 2; ++half) {
              const Place place = loaded(lane, half, turned);
              ASSERT_EQ(place, loaded_by_cute(lane, half, turned)) << lane;
              const unsigned held = r[static_cast<std::size_t>(lane * matrices + m)] >> (16 * half) & 0xffffU;
              EXPECT_EQ(held, table[static_cast<std::size_t>(m * 64 + place.row * 8 + place.column)])
                  << "lane " << lane << ", matrix " << m << ", half " << half << (turned ? ", turned" : "");
            }
          }
        }
      }
    }
  }
}

// ---- roundings

TEST(TensorCore, RoundsToTf32AndBf16) {
  const float tie_tf32 = 1.0F + std::ldexp(1.0F, -11);
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x{0.0F,
                             1.0F,
                             tie_tf32,
                             std::nextafter(tie_tf32, 0.0F),
                             -tie_tf32,
                             1.0F + std::ldexp(1.0F, -8),
                             1.0F + 3 * std::ldexp(1.0F, -8),
                             3.3895314e38F,
                             infinity};
  DeviceUnderTest on(0);
  DeviceArray<float> values(on, x);
  DeviceArray<unsigned> tf32(on, x.size()), bf16(on, x.size());
  device::run_roundings(static_cast<int>(x.size()), values.data(), tf32.data(), bf16.data(), on.stream());
  std::vector<float> rounded;
  for (const unsigned bits : tf32.values()) rounded.push_back(std::bit_cast<float>(bits & 0xffffe000U));
  const float next = 1.0F + std::ldexp(1.0F, -10);
  EXPECT_EQ(rounded[1], 1.0F);
  EXPECT_EQ(rounded[2], next) << "a tie goes away from zero";
  EXPECT_EQ(rounded[3], 1.0F);
  EXPECT_EQ(rounded[4], -next);
  EXPECT_EQ(rounded[8], infinity);
  const std::vector<unsigned> pairs = bf16.values();
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(pairs[i] >> 16U, (pairs[i] & 0xffffU) ^ 0x8000U) << "the high half is -x, the low one x";
  }
  EXPECT_EQ(pairs[5] & 0xffffU, 0x3f80U) << "a tie goes to even, downwards";
  EXPECT_EQ(pairs[6] & 0xffffU, 0x3f82U) << "a tie goes to even, upwards";
  EXPECT_EQ(pairs[7] & 0xffffU, 0x7f7fU);
  EXPECT_EQ(pairs[8] & 0xffffU, 0x7f80U);
}

// ---- mistakes that only the emulator tells

#if !defined(DML_TEST_CUDA)
std::string failure_of(void (*run)(unsigned*, device::DeviceStream&)) {
  DeviceUnderTest on(0);
  DeviceArray<unsigned> r(on, 32);
  try {
    run(r.data(), on.stream());
    on.stream().synchronize();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return {};
}

TEST(TensorCore, NeedsAllLanesAndAlignedRows) {
  EXPECT_NE(failure_of(device::run_load_without_a_lane).find("load_matrices"), std::string::npos)
      << failure_of(device::run_load_without_a_lane);
  EXPECT_NE(failure_of(device::run_misaligned_load).find("not 16-byte aligned"), std::string::npos)
      << failure_of(device::run_misaligned_load);
#if defined(DML_TEST_CHECKED)
  EXPECT_NE(failure_of(device::run_load_of_nothing), "") << "the checker did not see the load";
#endif
}
#endif

}  // namespace
}  // namespace dml::test
