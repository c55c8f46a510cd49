// The balanced sampler.
//
// One shuffle of the whole data set per epoch, the same on every rank, dealt out in turn: position p holds
// order[p] and belongs to replica p mod W. The replicas' shares are disjoint, their sizes differ by at most
// one, their union is exactly the data set; nothing is padded or repeated. A global order: batches do not
// depend on W.
#pragma once

#include "samplers/arguments.h"
#include "samplers/sampler.h"

namespace dml {
SamplerMaker balanced_sampler(SamplerArguments& arguments);
}
