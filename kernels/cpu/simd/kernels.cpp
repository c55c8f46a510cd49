#include "kernels/cpu/simd/kernels.h"

#include <cstdlib>
#include <string>

namespace dml::cpu {
namespace {

const SimdKernels& choose() {
#ifdef DML_CPU_X86_KERNELS
  const char* const asked = std::getenv("DML_CPU_ISA");
  const std::string limit = asked != nullptr ? asked : "avx512";
  const bool has_avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") != 0 &&
                          __builtin_cpu_supports("avx512bw") != 0 &&
                          __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0;
  if (limit == "avx512" && has_avx512) return avx512::kKernels;
  if (limit != "baseline" && has_avx2) return avx2::kKernels;
#endif
  return baseline::kKernels;
}

}  // namespace

const SimdKernels& simd_kernels() {
  static const SimdKernels& chosen = choose();
  return chosen;
}

}  // namespace dml::cpu
