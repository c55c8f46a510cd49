// The contiguous sampler.
//
// Partition v owns block v of file order: samples [floor(v N / P), floor((v + 1) N / P)). Disjoint, sizes
// differ by at most one, every sample exactly once in an epoch. Ownership is fixed for the run; each epoch
// shuffles every block by itself. What a sorted or recorded-in-time data set does to a cluster that splits
// it by position.
#pragma once

#include "samplers/arguments.h"
#include "samplers/sampler.h"

namespace dml {
SamplerMaker contiguous_sampler(SamplerArguments& arguments);
}
