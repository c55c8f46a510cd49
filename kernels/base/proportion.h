// A number of things cut into whole parts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace dml {

/// `whole` cut into parts in proportion to `weights` (positive or zero, not all zero): each gets the floor of
/// its share, and those with the largest remainders one more (the first of equals).
std::vector<std::int64_t> proportional_parts(std::int64_t whole, std::span<const double> weights);

}  // namespace dml
