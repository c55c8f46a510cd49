// A whole run inside one test process: every rank a thread, the same sessions and trainers as in production.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/run/run_config.h"
#include "engine/train/device_communicator.h"
#include "engine/train/session.h"
#include "samplers/sampler.h"

namespace dml::testing {

/// A small data set whose images are worth learning: `train` and `test` samples of the synthetic one.
DatasetSplits small_data(std::int64_t train, std::int64_t test);

/// How a rank's values travel from device to device, over the communicator of its host.
using PeersOf = std::function<DeviceCommunicator(int rank, Communicator& host, Backend& backend)>;

/// Runs `work` on every rank of config.parallel.ranks, each on a thread of its own with a session over
/// `data`. When ranks throw, rethrows what the first of them threw that did not merely lose a peer. Without
/// `peers_of` they have what the program would give them.
void run_world(const RunConfig& config, const DatasetSplits& data, const std::function<void(Session&)>& work,
               const PeersOf& peers_of = {});

/// What is left after training: the parameters of the whole model as doubles, before the first step and at
/// the end, and each step's mean loss.
struct Trained {
  std::vector<double> parameters;
  std::vector<double> initial_parameters;
  std::vector<double> losses;
  ParameterLayout layout;
};

/// Trains `steps` steps in the run that `config` describes. When `before_step` is given, it is called on
/// every rank before step t with that rank's session (to reset weights, for example).
Trained train_steps(const RunConfig& config, const DatasetSplits& data, std::int64_t steps,
                    const std::function<void(Session&, std::int64_t)>& before_step = {});

/// max |a - b| / max |b|; infinite when a value of `a` is not finite.
double relative_error(const std::vector<double>& a, const std::vector<double>& b);

/// The smallest relative change of the weights over the layers: |after - before| / |before| in the L2 norm. A
/// claim that two runs are equal counts only if training moved.
double smallest_layer_change(const Trained& trained);

}  // namespace dml::testing
