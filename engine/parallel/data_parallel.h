// Data parallelism: every rank holds the whole model and its own part of the batch.
//
//   rank 0   forward(0) backward(0) [forward(1) backward+(1) ...]  reduce(b0) reduce(b1) ...  update
//   rank 1   forward(0) backward(0) [forward(1) backward+(1) ...]  reduce(b0) reduce(b1) ...  update
//
// What is reduced: sums of gradients over samples, so a replica with fewer samples weighs less and one with
// none weighs nothing; the update divides by the samples of the whole batch. Every replica then does the same
// update on the same numbers, so the copies stay equal bit for bit. With one replica this is the mode
// `single`.
#pragma once

#include "engine/parallel/modes.h"

namespace dml {
Program data_parallel_step(const Topology& topology, const StepShape& shape);

/// A step of replicas that train alone (ParallelOptions::local_steps):
///
///   rank 0   forward(0) backward(0) update                            the same in every step of a round
///   rank 1   forward(0) backward(0) update
///   both     ... update  average(b0) average(b1) ...                  in its last
///
/// The average is over weights and optimizer state, each replica weighing as much as the samples it has seen
/// since the last one, so that all replicas are one model again, whatever came before.
Program local_step(const Topology& topology, const StepShape& shape);
}  // namespace dml
