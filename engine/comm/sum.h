// Element-wise sums of typed views, the arithmetic of every all_reduce.
#pragma once

#include <cstddef>

#include "kernels/base/view.h"

namespace dml {

/// into[i] += from[i] for the elements of `into`; the two do not overlap. Integers wrap around. `from` is
/// memory of the same type with the alignment of its elements. Not for u8.
void add_elements(View into, const std::byte* from);

}  // namespace dml
