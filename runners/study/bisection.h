// Solving monotone equations on the positive numbers to the last bit.
#pragma once

namespace dml {

/// The largest x > 0 where `beyond` does not hold yet, to neighbouring doubles. `beyond` is false for small x
/// and true for large x; whoever calls makes sure that it becomes true. Found by doubling or halving from 1,
/// then bisection: about 53 calls besides those of the search.
template <typename Beyond>
double last_not_beyond(const Beyond& beyond) {
  double high = 1;
  while (!beyond(high)) high *= 2;
  double low = high / 2;
  while (low > 0 && beyond(low)) {
    high = low;
    low /= 2;
  }
  for (double middle = low + (high - low) / 2; low < middle && middle < high;
       middle = low + (high - low) / 2) {
    (beyond(middle) ? high : low) = middle;
  }
  return low;
}

}  // namespace dml
