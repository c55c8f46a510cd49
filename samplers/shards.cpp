#include "samplers/shards.h"

#include <algorithm>

#include "samplers/partition.h"
#include "samplers/shuffle.h"

namespace dml {

SamplerMaker shards_sampler(SamplerArguments& arguments) {
  const std::int64_t k = arguments.integer("k", 2, 1);
  return [k, arguments](const SamplerProblem& problem) {
    require_a_sample_each("shards", problem);
    require_labels(problem);
    const std::int64_t shards = k * problem.lists();
    if (shards > problem.samples) {
      throw arguments.error(std::to_string(problem.lists()) + " partitions of " + std::to_string(k) +
                            " shards are more shards than the " + std::to_string(problem.samples) +
                            " samples. The largest k that works is " +
                            std::to_string(problem.samples / problem.lists()));
    }
    std::vector<std::int32_t> sorted;
    for (const auto& of_class : samples_by_label(problem.labels)) {
      sorted.insert(sorted.end(), of_class.begin(), of_class.end());
    }
    const std::vector<std::int32_t> dealt =
        shuffled(shards, shards, problem.seed, 0, 0, RandomUse::partition);
    std::vector<std::vector<std::int32_t>> lists(static_cast<std::size_t>(problem.lists()));
    for (std::size_t i = 0; i < dealt.size(); ++i) {
      const std::int64_t shard = dealt[i];
      std::vector<std::int32_t>& list = lists[i / static_cast<std::size_t>(k)];
      list.insert(list.end(), sorted.begin() + shard * problem.samples / shards,
                  sorted.begin() + (shard + 1) * problem.samples / shards);
    }
    return make_fixed_partition(std::move(lists), problem.seed);
  };
}

}  // namespace dml
