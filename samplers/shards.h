// The shards sampler: `shards:k=2`.
//
// The data set is sorted by label (file order within a label) and cut into P k shards whose sizes differ by
// at most one; each partition owns k of them, drawn at random once for the run. With few shards a partition
// sees few classes: the split of McMahan et al., "Communication-efficient learning of deep networks from
// decentralized data" (2017), k = 2 there. Disjoint, every sample exactly once in an epoch; each epoch
// shuffles every list by itself.
#pragma once

#include "samplers/arguments.h"
#include "samplers/sampler.h"

namespace dml {
SamplerMaker shards_sampler(SamplerArguments& arguments);
}
