// The quantity sampler: `quantity:law=zipf,exponent=1` or `quantity:law=lognormal,sigma=1`.
//
// Size skew: partitions own different numbers of samples, with labels as they come. The data set is shuffled
// once for the run and cut in proportion to
//   zipf       1 / (v + 1)^exponent for partition v: the first has most;
//   lognormal  exp(sigma z_v), z_v standard normal, drawn once for the run.
// Every partition gets one sample before the rest is cut (largest remainders), so none is empty. Disjoint,
// every sample exactly once in an epoch; each epoch shuffles every list by itself. An epoch is as long as its
// largest partition: the others are exhausted earlier and then give nothing.
#pragma once

#include "samplers/arguments.h"
#include "samplers/sampler.h"

namespace dml {
SamplerMaker quantity_sampler(SamplerArguments& arguments);
}
