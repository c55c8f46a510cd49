// The dirichlet sampler: `dirichlet:alpha=0.5,min=1`.
//
// Label skew of adjustable strength: each class is split among the partitions in proportions drawn from a
// symmetric Dirichlet distribution with concentration alpha, independently for every class, as in Hsu, Qi,
// Brown, "Measuring the effects of non-identical data distribution for federated visual classification"
// (2019). Large alpha: near equal shares; alpha near 0: a class belongs to one partition. Counts are rounded
// by largest remainders, so every sample is dealt exactly once; which samples of a class go where is random.
// Drawn once for the run; the draw is repeated until every partition has at least `min` samples, up to 100
// times. Each epoch shuffles every list by itself.
#pragma once

#include "samplers/arguments.h"
#include "samplers/sampler.h"

namespace dml {
SamplerMaker dirichlet_sampler(SamplerArguments& arguments);
}
