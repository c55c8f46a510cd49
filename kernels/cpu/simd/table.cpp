// The table of one instruction set.
#include "kernels/cpu/simd/internal.h"

#define DML_TEXT_OF(name) #name
#define DML_TEXT(name) DML_TEXT_OF(name)

namespace dml::cpu::DML_ISA {

const SimdKernels kKernels = {DML_TEXT(DML_ISA),
                              relu_forward,
                              relu_backward,
                              max_pool_forward,
                              max_pool_backward,
                              correlate_row,
                              correlate_weight_gradient,
                              correlate_bias_gradient,
                              lanes_pool_row,
                              lanes_unpool_row,
                              gather_lanes,
                              lanes_to_plain,
                              plain_to_lanes,
                              sgd,
                              adam};

}  // namespace dml::cpu::DML_ISA
