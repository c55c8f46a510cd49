// Tensor cores by the warp: matrix products of tf32 and bf16 with fp32 sums, and the loads that feed them, in
// PTX, with the emulator's twin of each beside it. For compute capability 8.0 and newer.
//
// All 32 lanes of a warp take part in every call. A fragment is a lane's part of a matrix; which elements it
// has is said by the PTX ISA ("Matrix Fragments for mma.m16n8k8", "... mma.m16n8k16", "ldmatrix") and held
// against it by tests/kernels/tensor_core_test.cpp. With g = lane / 4 and t = lane % 4, (row, column):
//
//   sums       16x8     d[i] at (g + 8 (i / 2), 2 t + i % 2)
//   tf32  A    16x8     a[i] at (g + 8 (i % 2), t + 4 (i / 2))
//         B     8x8     b[i] at (t + 4 i, g)
//   bf16  A    16x16    low and high half of a[i] at (g + 8 (i % 2), 2 t + 8 (i / 2)) and one column further
//         B    16x8     low and high half of b[i] at (2 t + 8 i, g) and one row further
//
// Products are exact. How the hardware rounds while it adds them is not documented; the emulator adds in
// double and rounds once.
#pragma once

#include "kernels/cuda/device.h"

#if defined(DML_EMULATOR)
#include <bit>
#include <cmath>
#endif

namespace dml::DML_DEVICE {

// multiply_tf32(d, a, b)     d += A B. The low 13 bits of each operand are ignored: round with to_tf32().
// multiply_bf16(d, a, b)     d += A B, two values in a register.
// to_tf32(x)                 to 10 bits of mantissa, to nearest, ties away from zero; as a register
// to_bf16_pair(low, high)    to 7 bits of mantissa, to nearest, ties to even
// load_matrices<n, turned>(r, row)
//     n = 1, 2 or 4 matrices of 8x8 16-bit values from shared memory. Lane 8 m + i gives the address of row i
//     of matrix m, 16 bytes, 16-byte aligned; lanes from 8 n on give any. r[m] then holds the elements
//     (g, 2 t) and (g, 2 t + 1) of matrix m, or, turned, (2 t, g) and (2 t + 1, g). To be followed by a
//     barrier before the memory is written again, as any load.

#if defined(DML_EMULATOR)

namespace tensor_core {

inline float from_tf32(unsigned bits) {
  return std::bit_cast<float>(bits & 0xffffe000U);
}
inline float from_bf16(unsigned bits) {
  return std::bit_cast<float>(bits << 16U);
}

struct Operands {
  float d[4];
  unsigned a[4], b[2];
};
struct Sums {
  float d[4];
};

/// The warp's matrices, put together from its lanes' fragments and multiplied. `A` and `B` say where a lane's
/// values belong.
template <int kDepth, class PutA, class PutB>
void multiply(WarpMeeting& meeting, PutA&& put_a, PutB&& put_b) {
  double a[16][kDepth], b[kDepth][8];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& in = *static_cast<const Operands*>(meeting.in[lane]);
    put_a(in, lane / 4, lane % 4, a);
    put_b(in, lane / 4, lane % 4, b);
  }
  for (int lane = 0; lane < 32; ++lane) {
    const auto& in = *static_cast<const Operands*>(meeting.in[lane]);
    auto& out = *static_cast<Sums*>(meeting.out[lane]);
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
      double sum = in.d[i];
      for (int k = 0; k < kDepth; ++k) sum += a[row][k] * b[k][column];
      out.d[i] = static_cast<float>(sum);
    }
  }
}

template <class Meet>
void run(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const char* doing, Site site,
         Meet&& meet) {
  const InMachine machine;
  const Operands in{{d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  const Sums sums = warp_operation<Sums>(~0U, in, doing, site, false, meet);
  for (int i = 0; i < 4; ++i) d[i] = sums.d[i];
}

}  // namespace tensor_core

inline unsigned to_tf32(float x) {
  if (std::isnan(x)) return 0x7fffffffU;
  const auto bits = std::bit_cast<unsigned>(x);
  return std::isinf(x) ? bits : (bits + 0x1000U) & 0xffffe000U;
}

inline unsigned to_bf16_pair(float low, float high) {
  const auto rounded = [](float x) -> unsigned {
    if (std::isnan(x)) return 0x7fffU;
    const auto bits = std::bit_cast<unsigned>(x);
    return (bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U;
  };
  return rounded(low) | rounded(high) << 16U;
}

inline void multiply_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], DML_HERE) {
  using namespace tensor_core;
  run(d, a, b, "multiply_tf32", here, [](WarpMeeting& meeting) {
    multiply<8>(
        meeting,
        [](const Operands& in, int g, int t, double(&matrix)[16][8]) {
          for (int i = 0; i < 4; ++i) matrix[g + 8 * (i % 2)][t + 4 * (i / 2)] = from_tf32(in.a[i]);
        },
        [](const Operands& in, int g, int t, double(&matrix)[8][8]) {
          for (int i = 0; i < 2; ++i) matrix[t + 4 * i][g] = from_tf32(in.b[i]);
        });
  });
}

inline void multiply_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], DML_HERE) {
  using namespace tensor_core;
  run(d, a, b, "multiply_bf16", here, [](WarpMeeting& meeting) {
    multiply<16>(
        meeting,
        [](const Operands& in, int g, int t, double(&matrix)[16][16]) {
          for (int i = 0; i < 4; ++i) {
            double* const place = &matrix[g + 8 * (i % 2)][2 * t + 8 * (i / 2)];
            place[0] = from_bf16(in.a[i] & 0xffffU);
            place[1] = from_bf16(in.a[i] >> 16U);
          }
        },
        [](const Operands& in, int g, int t, double(&matrix)[16][8]) {
          for (int i = 0; i < 2; ++i) {
            matrix[2 * t + 8 * i][g] = from_bf16(in.b[i] & 0xffffU);
            matrix[2 * t + 8 * i + 1][g] = from_bf16(in.b[i] >> 16U);
          }
        });
  });
}

template <int kMatrices, bool kTurned = false>
void load_matrices(unsigned (&r)[kMatrices], const void* row, DML_HERE) {
  static_assert(kMatrices == 1 || kMatrices == 2 || kMatrices == 4);
  struct Row {
    std::uint16_t values[8];
  };
  struct Fragments {
    unsigned r[kMatrices];
  };
  Row mine{};
  const unsigned lane = threadIdx.x % warpSize;
  if (lane < 8 * kMatrices) {
    if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) {
      fail("load_matrices from an address that is not 16-byte aligned, " + here.text());
    }
    // Outside the machine: the checker sees the loads.
    for (int i = 0; i < 8; ++i) mine.values[i] = static_cast<const std::uint16_t*>(row)[i];
  }
  const InMachine machine;
  const Fragments fragments =
      warp_operation<Fragments>(~0U, mine, "load_matrices", here, false, [](WarpMeeting& meeting) {
        const auto element = [&](int matrix, int i, int j) -> unsigned {
          return static_cast<const Row*>(meeting.in[8 * matrix + i])->values[j];
        };
        for (int to = 0; to < 32; ++to) {
          const int g = to / 4, t = to % 4;
          auto& out = *static_cast<Fragments*>(meeting.out[to]);
          for (int m = 0; m < kMatrices; ++m) {
            out.r[m] = kTurned ? element(m, 2 * t, g) | element(m, 2 * t + 1, g) << 16U
                               : element(m, g, 2 * t) | element(m, g, 2 * t + 1) << 16U;
          }
        }
      });
  for (int m = 0; m < kMatrices; ++m) r[m] = fragments.r[m];
}

#else

__device__ __forceinline__ unsigned to_tf32(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

__device__ __forceinline__ unsigned to_bf16_pair(float low, float high) {
  unsigned bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

__device__ __forceinline__ void multiply_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void multiply_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

template <int kMatrices, bool kTurned = false>
__device__ __forceinline__ void load_matrices(unsigned (&r)[kMatrices], const void* row) {
  static_assert(kMatrices == 1 || kMatrices == 2 || kMatrices == 4);
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (kMatrices == 1 && !kTurned) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(address)
                 : "memory");
  } else if constexpr (kMatrices == 1) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(address)
                 : "memory");
  } else if constexpr (kMatrices == 2 && !kTurned) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(address)
                 : "memory");
  } else if constexpr (kMatrices == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(address)
                 : "memory");
  } else if constexpr (!kTurned) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  }
}

#endif

}  // namespace dml::DML_DEVICE
