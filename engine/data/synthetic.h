// A made-up data set for machines that have no real one: the pipeline can be tried, the accuracy means
// nothing.
//
// Ten prototypes (smooth random blobs) stand for the classes. A sample is its class's prototype, shifted by
// up to three pixels each way and scaled in contrast, with some of another prototype mixed in and noise on
// every pixel. Everything is integer arithmetic on Philox words, so the set has the same bytes on every
// machine, and depends on no seed.
#pragma once

#include "engine/data/dataset.h"

namespace dml {

/// 10,000 training and 2,000 test samples of 1 x 28 x 28 in 10 classes; mean and stddev are those of its own
/// training split. `source` says loudly that it is synthetic.
DatasetSplits make_synthetic_dataset();

}  // namespace dml
