#include "samplers/quantity.h"

#include <cmath>

#include "kernels/base/proportion.h"
#include "samplers/partition.h"
#include "samplers/random_numbers.h"
#include "samplers/shuffle.h"

namespace dml {
namespace {

enum class Law { zipf, lognormal };

std::vector<double> weights_of(Law law, double parameter, const SamplerProblem& problem) {
  RandomWords random(PhiloxStream(problem.seed, RandomUse::sampling, 0, 1));
  std::vector<double> weights;
  for (int v = 0; v < problem.lists(); ++v) {
    weights.push_back(law == Law::zipf ? std::pow(v + 1.0, -parameter)
                                       : std::exp(parameter * random.normal()));
  }
  return weights;
}

}  // namespace

SamplerMaker quantity_sampler(SamplerArguments& arguments) {
  const Law law =
      arguments.choice("law", "zipf", {"zipf", "lognormal"}) == "zipf" ? Law::zipf : Law::lognormal;
  const double parameter = arguments.positive_real(law == Law::zipf ? "exponent" : "sigma", 1);
  if (parameter > 20) throw arguments.error("exponent and sigma go up to 20");
  return [law, parameter](const SamplerProblem& problem) {
    require_a_sample_each("quantity", problem);
    const std::vector<std::int64_t> sizes =
        proportional_parts(problem.samples - problem.lists(), weights_of(law, parameter, problem));
    const auto order = shuffled(problem.samples, problem.samples, problem.seed, 0, 0, RandomUse::partition);
    std::vector<std::vector<std::int32_t>> lists;
    auto next = order.begin();
    for (const std::int64_t size : sizes) {
      lists.emplace_back(next, next + size + 1);
      next += size + 1;
    }
    return make_fixed_partition(std::move(lists), problem.seed);
  };
}

}  // namespace dml
