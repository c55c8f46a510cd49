#include "samplers/contiguous.h"

#include <numeric>

#include "samplers/partition.h"

namespace dml {

SamplerMaker contiguous_sampler(SamplerArguments& /*arguments*/) {
  return [](const SamplerProblem& problem) {
    require_a_sample_each("contiguous", problem);
    std::vector<std::vector<std::int32_t>> lists;
    for (std::int64_t v = 0; v < problem.lists(); ++v) {
      const std::int64_t first = v * problem.samples / problem.lists();
      const std::int64_t end = (v + 1) * problem.samples / problem.lists();
      lists.emplace_back(static_cast<std::size_t>(end - first));
      std::iota(lists.back().begin(), lists.back().end(), static_cast<std::int32_t>(first));
    }
    return make_fixed_partition(std::move(lists), problem.seed);
  };
}

}  // namespace dml
