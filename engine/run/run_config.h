// Everything that decides a run, as the command line (or a test) gives it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/parallel/options.h"
#include "engine/run/step_phase.h"
#include "kernels/base/backend.h"
#include "kernels/base/optimizer.h"

namespace dml {

enum class Device { cpu, cuda, emulator };
enum class Precision { fp32, fp64 };
/// How ranks on GPUs exchange values: by NCCL, or staged through the memory of the host.
enum class DeviceTransport { automatic, staged, nccl };

/// Learning rate of a step, with `lr` the base rate and t the step (0-based) of a run of T steps:
/// constant: lr;  step: lr * gamma^floor(epoch / step_epochs);  cosine: lr * (1 + cos(pi t / T)) / 2.
/// The first `warmup_steps` steps are scaled by (t + 1) / (warmup_steps + 1).
struct LearningRateOptions {
  enum class Schedule { constant, step, cosine };
  Schedule schedule = Schedule::constant;
  double lr = 0.01;
  double gamma = 0.1;
  std::int64_t step_epochs = 10;
  std::int64_t warmup_steps = 0;
};

/// A delay that is injected into one phase of every step of one rank (engine/train/slowness.h).
struct SlowOptions {
  int rank = 0;
  StepPhase phase = StepPhase::forward;  ///< forward, backward or communicate
  double ms = 0;                         ///< added to the phase
  double factor = 1;                     ///< the phase takes so many times as long; not for communicate
  double jitter_ms = 0;                  ///< up to so much is added at random
};

/// "rank=1,phase=forward,ms=20": as it can be typed.
std::string to_string(const SlowOptions& slow);

struct RunConfig {
  ParallelOptions parallel;
  Device device = Device::cpu;
  std::vector<int> gpus;    ///< of each rank on this host, with Device::cuda; empty: rank r has GPU r
  bool cuda_graphs = true;  ///< whole steps are recorded in CUDA graphs where nothing comes in between
  DeviceTransport transport = DeviceTransport::automatic;
  KernelChoice kernels = KernelChoice::automatic;
  Precision precision = Precision::fp32;
  int threads = 1;  ///< per rank
  std::string model = "lenet";
  DatasetOptions data;

  std::int64_t epochs = 2;
  std::optional<std::int64_t> steps;  ///< ends the run earlier than `epochs`
  std::int64_t batch = 32;            ///< samples per update over all replicas and micro-batches
  OptimizerOptions optimizer;
  LearningRateOptions learning_rate;
  std::string sampler = "balanced";  ///< NAME[:key=value,...]
  int partitions = 0;                ///< lists that the sampler deals the data into; 0: one a replica
  std::uint64_t seed = 0;
  std::int64_t eval_every_epochs = 1;  ///< 0: never

  std::string init_from;  ///< safetensors with the initial weights; empty: initialise from the seed
  std::string save_to;    ///< safetensors to write the final weights to
  std::string run_dir;    ///< empty: keep nothing
  std::int64_t checkpoint_every_steps = 0;  ///< 0: only when a signal stops the run, and at its end
  bool resume = false;
  std::chrono::milliseconds deadline{60000};
  std::optional<SlowOptions> slow;
};

std::string to_string(Device device);
std::string to_string(Precision precision);
std::string to_string(DeviceTransport transport);

/// The part of the configuration that decides the weights, as JSON text with sorted keys: equal texts compute
/// the same thing. Written into checkpoints and compared between ranks. Paths, verbosity and deadlines are
/// left out, and so are `epochs` and `steps` (unless the learning rate depends on them): a run may be
/// extended.
std::string canonical_configuration(const RunConfig& config);

/// The settings of its canonical configuration that change rounding alone: how many ranks share the work, and
/// how. Runs that differ in nothing else take the same samples in the same steps. With local steps the number
/// of replicas is not among them.
std::vector<std::string> rounding_settings(const RunConfig& config);

/// Names the settings in which two canonical configurations differ, with both values: "batch: 32 here, 64
/// there". Empty when they are equal but for `ignored` ones. Throws DataError when one of them is not such a
/// text.
std::string describe_difference(const std::string& here, const std::string& there,
                                const std::string& there_name, const std::vector<std::string>& ignored = {});

}  // namespace dml
