#include "runners/cli/flags.h"

#include <algorithm>
#include <array>

namespace dml {
namespace {

constexpr unsigned kTrain = bit_of(Command::train);
constexpr unsigned kEvaluate = bit_of(Command::evaluate);
constexpr unsigned kBenchmark = bit_of(Command::benchmark);
constexpr unsigned kStudy = bit_of(Command::study);
constexpr unsigned kReport = bit_of(Command::report);
constexpr unsigned kDemo = bit_of(Command::demo);
constexpr unsigned kDoctor = bit_of(Command::doctor);
constexpr unsigned kSteps = kTrain | kBenchmark;  // commands that run training steps
constexpr unsigned kModel = kSteps | kEvaluate;
constexpr unsigned kAll = kModel | kDemo | kStudy;

using Group = FlagGroup;

constexpr std::array kFlags = {
    FlagSpec{Group::split, "mode", "MODE", "single", "", kModel,
             "single, data-parallel or model-parallel; required when there are several ranks"},

    FlagSpec{Group::devices, "device", "D", "auto", "", kModel | kStudy, "auto, cpu, cuda or emulator"},
    FlagSpec{Group::devices, "gpus", "LIST", "", "", kModel, "device ids, one rank each: 0,1"},
    FlagSpec{Group::devices, "ranks", "N", "", "2 in parallel modes", kModel,
             "how many processes share the work"},
    FlagSpec{Group::devices, "threads", "T", "", "usable cores / local ranks", kModel | kStudy,
             "threads per rank"},
    FlagSpec{Group::devices, "rendezvous", "HOST:PORT", "", "a private directory", kModel,
             "where the ranks meet; under a launcher MASTER_ADDR:MASTER_PORT + 1"},

    FlagSpec{Group::devices, "communicator", "C", "auto", "", kModel,
             "between GPUs: nccl, or staged through the host; auto: nccl where it can"},

    FlagSpec{Group::kernels, "kernels", "K", "auto", "", kModel,
             "of convolutions and linear layers: auto, custom (our own alone) or library"},
    FlagSpec{Group::kernels, "explain-kernels", "", "", "", kSteps, "print which kernel computes each layer"},
    FlagSpec{Group::kernels, "cuda-graph", "on|off", "on", "", kModel,
             "record whole steps in a CUDA graph where nothing comes in between"},

    FlagSpec{Group::model, "model", "NAME", "lenet", "", kAll, "lenet, mnist-cnn or cnn8"},
    FlagSpec{Group::model, "precision", "P", "fp32", "", kModel,
             "fp32, or fp64 for the slow double reference"},
    FlagSpec{Group::model, "init-from", "FILE", "", "", kModel, "start from these weights (safetensors)"},
    FlagSpec{Group::model, "save-to", "FILE", "", "", kTrain, "write the final weights (safetensors)"},

    FlagSpec{Group::data, "dataset", "NAME", "fashion-mnist", "", kAll, "fashion-mnist, mnist or synthetic"},
    FlagSpec{Group::data, "data-dir", "DIR", "", "the usual places", kAll | kDoctor, "where its files are"},
    FlagSpec{Group::data, "limit-train", "N", "", "all", kAll, "only the first N training samples"},
    FlagSpec{Group::data, "limit-test", "N", "", "all", kAll, "only the first N test samples"},

    FlagSpec{Group::training, "epochs", "N", "2", "", kTrain | kDemo | kStudy,
             "passes over the training set"},
    FlagSpec{Group::training, "steps", "N", "", "", kSteps,
             "end after N updates; for benchmark: N updates per round [200]"},
    FlagSpec{Group::training, "batch", "N", "32", "", kModel, "samples per update over all replicas"},
    FlagSpec{Group::training, "batch-per-rank", "N", "", "", kSteps,
             "instead of --batch: samples of one replica in one forward pass"},
    FlagSpec{Group::training, "optimizer", "NAME", "sgd", "", kSteps, "sgd or adam"},
    FlagSpec{Group::training, "lr", "X", "0.01", "", kSteps, "learning rate"},
    FlagSpec{Group::training, "momentum", "X", "0.9", "", kSteps, "of sgd, from 0 to below 1"},
    FlagSpec{Group::training, "nesterov", "", "", "", kSteps, "Nesterov momentum"},
    FlagSpec{Group::training, "weight-decay", "X", "0", "", kSteps, "L2, added to the gradient"},
    FlagSpec{Group::training, "lr-schedule", "S", "constant", "", kSteps,
             "constant, step[:epochs=10,gamma=0.1] or cosine; each takes warmup=STEPS"},
    FlagSpec{Group::training, "accumulate", "K", "1", "", kSteps,
             "split each replica's share into K slices, one after another"},
    FlagSpec{Group::training, "seed", "N", "0", "", kModel | kDemo, "of weights and of data order"},
    FlagSpec{Group::training, "eval-every", "N", "1", "", kTrain, "epochs between evaluations; 0: never"},

    FlagSpec{Group::data_parallel, "aggregate", "A", "allreduce", "", kSteps, "allreduce or allgather"},
    FlagSpec{Group::data_parallel, "local-steps", "K", "", "combine gradients in every step", kSteps,
             "replicas train alone and average their weights after every K steps"},
    FlagSpec{Group::data_parallel, "share", "S", "equal", "", kTrain,
             "of a batch per replica: equal, or by the speed each was measured to have"},
    FlagSpec{Group::data_parallel, "bucket-bytes", "N", "26214400", "", kSteps,
             "gradients travel in buckets of at most this size"},
    FlagSpec{Group::data_parallel, "sampler", "NAME", "balanced", "", kSteps,
             "which sample goes to which replica, NAME[:key=value,...] (help samplers)"},
    FlagSpec{Group::data_parallel, "partitions", "P", "", "one a replica", kSteps,
             "lists that the sampler deals the data into, the same on any number of ranks"},
    FlagSpec{Group::data_parallel, "explain-partition", "", "", "", kSteps,
             "print who has which samples: sizes, labels, overlap, what is never seen"},

    FlagSpec{Group::model_parallel, "split", "S", "conv-fc", "", kModel,
             "conv-fc, or the layers before which to cut: 1,3"},
    FlagSpec{Group::model_parallel, "schedule", "S", "sequential", "", kModel, "sequential or gpipe"},
    FlagSpec{Group::model_parallel, "micro-batches", "M", "", "1; 4 for gpipe", kModel,
             "slices of the batch in the pipeline"},

    FlagSpec{Group::stragglers, "slow", "S", "", "", kSteps,
             "slow one rank down: rank=1,phase=forward|backward|communicate,ms=20|factor=1.5|jitter=5 "
             "(help stragglers)"},

    FlagSpec{Group::benchmark, "warmup-steps", "N", "50", "", kBenchmark, "steps before measuring"},
    FlagSpec{Group::benchmark, "rounds", "N", "5", "", kBenchmark, "rounds over which the median is taken"},

    FlagSpec{Group::study, "study", "FILE", "", "", kStudy,
             "what to compare, as a small file (help studies)"},
    FlagSpec{Group::study, "grid", "TEXT", "", "", kStudy,
             "the same in one line: 'mode=data-parallel; sampler=balanced random'"},
    FlagSpec{Group::study, "seeds", "LIST", "", "the study's, else 0", kStudy,
             "0..4, or 0 1 2: runs of each arm"},

    FlagSpec{Group::run, "run-dir", "DIR", "", "keep nothing", kTrain | kEvaluate | kStudy | kReport,
             "metrics, checkpoints and results; evaluate and report read it, study goes on in it"},
    FlagSpec{Group::run, "checkpoint-every", "STEPS", "", "only when stopped", kTrain, "write checkpoints"},
    FlagSpec{Group::run, "resume", "", "", "", kTrain, "continue from the checkpoint in --run-dir"},
    FlagSpec{Group::run, "deadline", "SECONDS", "60", "", kModel, "how long a rank waits for its peers"},
    FlagSpec{Group::run, "json", "", "", "", kAll | kReport, "one JSON object on stdout instead of text"},
    FlagSpec{Group::run, "quiet", "", "", "", kAll, "no progress, only results, warnings and errors"},
    FlagSpec{Group::run, "dry-run", "", "", "", kModel | kStudy,
             "print the effective configuration and stop"},
};

constexpr std::array kCommands = {
    CommandSpec{Command::train, "train", "train a model (the default command)"},
    CommandSpec{Command::evaluate, "evaluate", "accuracy of saved weights on the test set"},
    CommandSpec{Command::benchmark, "benchmark", "steps/s, samples/s and the time split per rank"},
    CommandSpec{Command::study, "study", "train a grid of arms and seeds, and report what they show"},
    CommandSpec{Command::report, "report", "write the report of a study or a run again"},
    CommandSpec{Command::demo, "demo", "train in every mode and compare them in two tables"},
    CommandSpec{Command::doctor, "doctor", "what this machine has, and what is missing"},
    CommandSpec{Command::help, "help", "this text, or help on a topic or command"},
    CommandSpec{Command::version, "version", "version and revision"},
};

}  // namespace

std::span<const FlagSpec> flag_specs() {
  return kFlags;
}

const FlagSpec* find_flag(std::string_view name) {
  const auto found =
      std::find_if(kFlags.begin(), kFlags.end(), [&](const FlagSpec& flag) { return flag.name == name; });
  return found == kFlags.end() ? nullptr : &*found;
}

std::vector<std::string> flag_names() {
  std::vector<std::string> names;
  for (const FlagSpec& flag : kFlags) names.emplace_back(flag.name);
  names.emplace_back("help");
  names.emplace_back("version");
  return names;
}

std::string_view title_of(FlagGroup group) {
  switch (group) {
    case Group::split:
      return "How the work is split";
    case Group::devices:
      return "Devices and ranks";
    case Group::kernels:
      return "Kernels";
    case Group::model:
      return "Model";
    case Group::data:
      return "Data";
    case Group::training:
      return "Training";
    case Group::data_parallel:
      return "Data parallel";
    case Group::model_parallel:
      return "Model parallel";
    case Group::stragglers:
      return "Stragglers";
    case Group::benchmark:
      return "Benchmark";
    case Group::study:
      return "Study";
    case Group::run:
      return "Run";
  }
  return "";
}

std::span<const CommandSpec> command_specs() {
  return kCommands;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const CommandSpec& command : kCommands) names.emplace_back(command.name);
  return names;
}

std::string to_string(Command command) {
  const auto found = std::find_if(kCommands.begin(), kCommands.end(),
                                  [&](const CommandSpec& spec) { return spec.command == command; });
  return found == kCommands.end() ? "" : std::string(found->name);
}

}  // namespace dml
