// Model parallelism: every rank holds one stage of consecutive layers; activations travel down the pipeline
// and gradients travel back. Two stages, two micro-batches (F forward, B backward, > and < messages):
//
//   sequential  rank 0   F0 >           < B0 F1 >           < B1 update
//               rank 1        F0 B0 <             F1 B1 <        update
//   gpipe       rank 0   F0 > F1 >                < B0 < B1      update
//               rank 1        F0   F1 B0 <  B1 <                 update
//
// A micro-batch keeps its activations from its forward to its backward: one slot in the sequential schedule,
// one slot per micro-batch in gpipe. Gradients add up over micro-batches; each rank updates its own
// parameters. When a peer dies the pending receive fails and the step ends with PeerError.
#pragma once

#include "engine/parallel/modes.h"

namespace dml {
Program model_parallel_step(Schedule schedule, const Topology& topology, int rank, const StepShape& shape);
}
