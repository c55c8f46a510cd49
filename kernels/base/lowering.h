// The shared lowering: from a list of operations to the kernels that compute it.
//
// A backend lists its kernels as candidates, best first. lower() walks the operations from the front and asks
// every candidate how many of them it claims: a fused candidate claims a run (convolution + ReLU + max pool),
// a plain one claims 1, one that does not support the shape claims 0. The first candidate that claims any is
// made; where a fused one declines, the parts behind it in the list take over. So a new kernel is one file
// and one line in such a list.
//
//   const Candidate<Context> candidates[] = {conv_relu_pool(), convolution(), relu(), max_pool(), ...};
//   std::vector<std::unique_ptr<Kernel>> kernels = lower<Context>(operations, candidates, context);
//
// Context is the backend's own: it names the kernel type (`Context::Kernel`) and hands each maker the buffers
// its kernel reads and writes; makers run in forward order, so the output of one is the input of the next.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/backend.h"
#include "kernels/base/error.h"
#include "kernels/base/operation.h"

namespace dml {

/// Whose work a kernel is, for KernelChoice.
enum class Origin {
  only,    ///< ours, and no library offers another: belongs to every choice
  custom,  ///< ours, in place of a library's
  library
};

/// One kernel (or fused run of them) that a backend offers.
template <class Context>
struct Candidate {
  using Kernel = typename Context::Kernel;
  /// As description() shows it: "conv2d_reference".
  std::string_view name;
  /// How many operations from the front of the list one kernel computes; 0 when it does not support them.
  std::size_t (*claims)(std::span<const Operation> operations) = nullptr;
  /// Makes the kernel for exactly the claimed operations.
  std::unique_ptr<Kernel> (*make)(std::span<const Operation> claimed, Context& context) = nullptr;
  Origin origin = Origin::only;
  /// The rule of this kernel that an operation of its kind breaks, as half a sentence; empty when it breaks
  /// none or is of another kind. For the error when nothing claims it; null: no rules beyond
  /// check_operations().
  std::string (*broken_rule)(const Operation& operation) = nullptr;
};

/// Whether a choice leaves kernels of this origin.
bool allows(KernelChoice choice, Origin origin);
/// What to throw when a choice leaves no kernel for an operation, because of `rule` where that is not empty.
/// `by_others`: kernels that `choice` leaves out would do.
UsageError no_kernel_for(const Operation& operation, KernelChoice choice, const std::string& rule,
                         bool by_others);

/// The operation and its sizes in one line: "convolution 1x28x28 -> 6x28x28, filter 5x5, padding 2".
std::string describe(const Operation& operation);

/// Elements of one operation's input and output; a gather has no input, a loss no output.
std::int64_t input_elements(const Operation& operation);
std::int64_t output_elements(const Operation& operation);

/// Samples of a stage: 0 where there are none to compute.
std::int64_t sample_count(std::span<const Operation> operations);

/// Throws UsageError naming layer and rule when an operation has a shape that no backend can compute (a
/// filter larger than its input), and InternalError when the list itself is broken (sizes that do not follow
/// each other, a gather that is not first, a loss that is not last).
void check_operations(std::span<const Operation> operations);

/// Every operation in `operations` is claimed by exactly one kernel, in forward order. Throws what
/// check_operations() throws, and UsageError naming layer and rule when no candidate supports an operation.
template <class Context>
std::vector<std::unique_ptr<typename Context::Kernel>> lower(std::span<const Operation> operations,
                                                             std::span<const Candidate<Context>> candidates,
                                                             Context& context,
                                                             KernelChoice choice = KernelChoice::automatic) {
  check_operations(operations);
  std::vector<std::unique_ptr<typename Context::Kernel>> kernels;
  while (!operations.empty()) {
    std::size_t claimed = 0;
    std::string rule;
    for (const Candidate<Context>& candidate : candidates) {
      if (!allows(choice, candidate.origin)) continue;
      claimed = candidate.claims(operations);
      if (claimed == 0) {
        if (rule.empty() && candidate.broken_rule != nullptr)
          rule = candidate.broken_rule(operations.front());
        continue;
      }
      DML_ASSERT(claimed <= operations.size(), std::string(candidate.name) + " claims more than there is");
      kernels.push_back(candidate.make(operations.first(claimed), context));
      break;
    }
    if (claimed == 0) {
      const bool by_others =
          std::any_of(candidates.begin(), candidates.end(),
                      [&](const Candidate<Context>& candidate) { return candidate.claims(operations) > 0; });
      throw no_kernel_for(operations.front(), choice, rule, by_others);
    }
    operations = operations.subspan(claimed);
  }
  return kernels;
}

}  // namespace dml
