#include "samplers/dirichlet.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/proportion.h"
#include "samplers/partition.h"
#include "samplers/random_numbers.h"
#include "samplers/shuffle.h"

namespace dml {
namespace {

constexpr std::uint32_t kDraws = 100;

/// Proportions up to a factor. In logarithms: with a small alpha the draws themselves are all zero.
std::vector<double> dirichlet_weights(RandomWords& random, std::size_t parts, double alpha) {
  std::vector<double> logs(parts);
  for (double& log : logs) log = random.log_gamma_draw(alpha);
  const double largest = *std::max_element(logs.begin(), logs.end());
  for (double& log : logs) log = std::exp(log - largest);
  return logs;
}

/// counts[c][v]: how many samples of class c go to partition v.
using Counts = std::vector<std::vector<std::int64_t>>;

Counts draw_counts(const std::vector<std::vector<std::int32_t>>& classes, const SamplerProblem& problem,
                   double alpha, std::uint32_t draw) {
  RandomWords random(PhiloxStream(problem.seed, RandomUse::sampling, draw));
  Counts counts;
  for (const auto& of_class : classes) {
    counts.push_back(
        proportional_parts(static_cast<std::int64_t>(of_class.size()),
                           dirichlet_weights(random, static_cast<std::size_t>(problem.lists()), alpha)));
  }
  return counts;
}

std::int64_t smallest_partition(const Counts& counts, std::size_t partitions) {
  std::vector<std::int64_t> sizes(partitions);
  for (const auto& of_class : counts) {
    for (std::size_t v = 0; v < partitions; ++v) sizes[v] += of_class[v];
  }
  return *std::min_element(sizes.begin(), sizes.end());
}

}  // namespace

SamplerMaker dirichlet_sampler(SamplerArguments& arguments) {
  const double alpha = arguments.positive_real("alpha", 0.5);
  const std::int64_t least = arguments.integer("min", 1, 1);
  return [alpha, least, arguments](const SamplerProblem& problem) {
    require_a_sample_each("dirichlet", problem);
    require_labels(problem);
    const auto partitions = static_cast<std::size_t>(problem.lists());
    if (least * problem.lists() > problem.samples) {
      throw arguments.error(std::to_string(problem.lists()) + " partitions cannot have " +
                            std::to_string(least) + " of " + std::to_string(problem.samples) +
                            " samples each. The largest min that works is " +
                            std::to_string(problem.samples / problem.lists()));
    }
    const auto classes = samples_by_label(problem.labels);
    std::int64_t best = 0;
    for (std::uint32_t draw = 0; draw < kDraws; ++draw) {
      const Counts counts = draw_counts(classes, problem, alpha, draw);
      const std::int64_t smallest = smallest_partition(counts, partitions);
      best = std::max(best, smallest);
      if (smallest < least) continue;
      std::vector<std::vector<std::int32_t>> lists(partitions);
      for (std::size_t c = 0; c < classes.size(); ++c) {
        const auto order =
            shuffled_list(classes[c], problem.seed, 0, static_cast<std::uint32_t>(c), RandomUse::partition);
        auto next = order.begin();
        for (std::size_t v = 0; v < partitions; ++v) {
          lists[v].insert(lists[v].end(), next, next + counts[c][v]);
          next += counts[c][v];
        }
      }
      return make_fixed_partition(std::move(lists), problem.seed);
    }
    throw arguments.error(
        "in " + std::to_string(kDraws) + " draws some partition of " + std::to_string(problem.lists()) +
        " always had fewer than " + std::to_string(least) + " samples; the best draw gave the smallest one " +
        std::to_string(best) + ". A larger alpha, fewer partitions" +
        (best > 0 ? " or min=" + std::to_string(best) : std::string(" or another --seed")) + " works");
  };
}

}  // namespace dml
