// The stratified sampler.
//
// In every epoch each class is shuffled, the classes are put one behind the other, and the whole is dealt to
// the partitions in turn; each partition then shuffles what it got. So a partition's count of any class
// differs from another's by at most one, and so does its size; disjoint, every sample exactly once. Redrawn
// in every epoch.
#pragma once

#include "samplers/arguments.h"
#include "samplers/sampler.h"

namespace dml {
SamplerMaker stratified_sampler(SamplerArguments& arguments);
}
