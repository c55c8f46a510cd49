// Proof that the programs of all ranks fit together, before anything runs.
#pragma once

#include <span>
#include <vector>

#include "engine/parallel/program.h"
#include "engine/parallel/topology.h"

namespace dml {

/// What one rank needs to run its program.
struct ProgramNeeds {
  int slots = 0;  ///< sets of activation buffers: the most micro-batches alive at once
};

/// Plays the programs (element r is rank r's) against each other with unbuffered messages: a send finishes
/// only together with its receive, a reduction only when every replica of the stage has reached it. Throws
/// InternalError, naming rank and action, when
///   - no rank can go on (deadlock), or a message meets a receive of another kind or micro-batch;
///   - something is used before it is there: a forward without its input, a backward without its forward or
///   its
///     output gradient, a send of what was not computed, a reduce or update before the last backward;
///   - a forward or backward runs twice;
///   - a slot is written while it still holds a micro-batch that awaits its backward;
///   - a training step does not update exactly once, unless it has neither samples nor partners to reduce
///   with;
///   - replicas average other buckets, or before their update.
std::vector<ProgramNeeds> check_programs(std::span<const Program> programs, const Topology& topology,
                                         bool training);

}  // namespace dml
