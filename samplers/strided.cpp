#include "samplers/strided.h"

#include "samplers/partition.h"

namespace dml {

SamplerMaker strided_sampler(SamplerArguments& /*arguments*/) {
  return [](const SamplerProblem& problem) {
    require_a_sample_each("strided", problem);
    std::vector<std::vector<std::int32_t>> lists(static_cast<std::size_t>(problem.lists()));
    for (std::int64_t i = 0; i < problem.samples; ++i) {
      lists[static_cast<std::size_t>(i % problem.lists())].push_back(static_cast<std::int32_t>(i));
    }
    return make_fixed_partition(std::move(lists), problem.seed);
  };
}

}  // namespace dml
