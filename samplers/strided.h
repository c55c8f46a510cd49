// The strided sampler.
//
// Partition v owns samples v, v + P, v + 2 P, ... of file order. Disjoint, sizes differ by at most one, every
// sample exactly once in an epoch. Ownership is fixed for the run; each epoch shuffles every list by itself.
#pragma once

#include "samplers/arguments.h"
#include "samplers/sampler.h"

namespace dml {
SamplerMaker strided_sampler(SamplerArguments& arguments);
}
