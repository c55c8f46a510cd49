// The bootstrap sampler.
//
// In every epoch each partition draws ceil(N / P) samples from the whole data set with replacement, by
// itself: a sample may come twice, also to the same partition, and is seen by none with probability (1 - 1 /
// N)^(P ceil(N / P)), near 1 / e. Redrawn in every epoch.
#pragma once

#include "samplers/arguments.h"
#include "samplers/sampler.h"

namespace dml {
SamplerMaker bootstrap_sampler(SamplerArguments& arguments);
}
