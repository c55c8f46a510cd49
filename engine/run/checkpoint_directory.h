// The checkpoints of a run directory: RUN_DIR/checkpoints/step-00001234.safetensors, the newest few of them.
//
// One process of a run (rank 0) writes; files appear complete or not at all, and an old one goes only after a
// newer one is durable, so at every moment, also after a power failure, the newest whole file is one to
// resume from.
#pragma once

#include <string>
#include <vector>

#include "engine/run/checkpoint.h"

namespace dml {

constexpr int kCheckpointsKept = 2;

/// Saves `checkpoint` under the name of its step, making the directories, and then removes all but the newest
/// `keep` of the checkpoints up to this step, and temporary files that a killed process left. Later steps are
/// left alone: they belong to somebody who went back. Returns the path. Throws IoError; the older checkpoints
/// are then still there.
std::string write_checkpoint(const std::string& run_directory, const Checkpoint& checkpoint,
                             int keep = kCheckpointsKept);

/// The paths of the checkpoints by name alone, newest step first. Empty when there is no such directory.
std::vector<std::string> list_checkpoints(const std::string& run_directory);

struct LatestCheckpoint {
  std::string path;
  Checkpoint checkpoint;
  std::vector<std::string> rejected;  ///< why each newer file could not be used, for the user to see
};

/// The newest checkpoint that is whole. Throws IoError when there is none at all, DataError when none is
/// whole.
LatestCheckpoint load_latest_checkpoint(const std::string& run_directory);

}  // namespace dml
