// The random sampler.
//
// Each replica shuffles the whole data set by itself, anew in every epoch, and takes the first ceil(N / W)
// samples of its own shuffle (Philox substream 1 + r of replica r). Within a replica no sample comes twice;
// between replicas shares overlap, and a sample is seen by none with probability (1 - ceil(N/W)/N)^W: about
// 25 % of the data set for W = 2, towards 1/e for many replicas. An owned-list order: batches depend on W, by
// design.
#pragma once

#include "samplers/arguments.h"
#include "samplers/sampler.h"

namespace dml {
SamplerMaker random_sampler(SamplerArguments& arguments);
}
