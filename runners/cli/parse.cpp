#include "runners/cli/parse.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/model/zoo.h"
#include "kernels/base/error.h"
#include "runners/cli/device_flags.h"
#include "runners/cli/flag_reader.h"
#include "runners/cli/flags.h"
#include "runners/cli/parallel_flags.h"
#include "runners/cli/slow_flag.h"
#include "runners/cli/suggest.h"
#include "runners/cli/tokens.h"
#include "samplers/sampler.h"

namespace dml {
namespace {

constexpr std::int64_t kMostSteps = 1'000'000'000'000;
constexpr std::int64_t kMostSamples = 2'147'483'647;  // sample ids are 31 bits
constexpr std::int64_t kMostPartitions = 1'000'000;
constexpr std::int64_t kMostEpochs = 1'000'000;
constexpr std::int64_t kMostThreads = 1024;
constexpr std::int64_t kMostRounds = 10'000;
constexpr double kLargestRate = 1e6;  // anything near it diverges; far below overflow in fp32

void refuse_flags_of_other_commands(const Tokens& tokens, Command command) {
  for (const FlagSpec& flag : flag_specs()) {
    if (!tokens.given(flag.name) || (flag.commands & bit_of(command)) != 0) continue;
    std::vector<std::string> homes;
    for (const CommandSpec& spec : command_specs()) {
      if ((flag.commands & bit_of(spec.command)) != 0) homes.emplace_back(spec.name);
    }
    throw UsageError("--" + std::string(flag.name) + ": the command " + to_string(command) +
                     " does not take this flag; " + alternatives(homes) + " does. `dml_engine " +
                     to_string(command) + " --help` lists its flags.");
  }
}

void read_threads(FlagReader& flags, const Environment& environment, Invocation& invocation) {
  if (flags.given("threads")) {
    invocation.config.threads = static_cast<int>(parse_integer(
        "threads", flags.typed("threads"), {1, kMostThreads}, "Write for example --threads 2."));
    flags.note("threads", std::to_string(invocation.config.threads), Setting::Source::flag);
    return;
  }
  const int local_ranks =
      invocation.contract.is_rank() ? invocation.contract.local_world_size : invocation.config.parallel.ranks;
  invocation.config.threads = std::max(1, environment.usable_cores / std::max(1, local_ranks));
  flags.note("threads", std::to_string(invocation.config.threads), Setting::Source::derived,
             std::to_string(environment.usable_cores) + " usable cores / " + std::to_string(local_ranks) +
                 (local_ranks == 1 ? " local rank" : " local ranks"));
}

void read_precision(FlagReader& flags, RunConfig& config) {
  static const std::vector<std::string> kPrecisions = {"fp32", "fp64"};
  const std::string word = flags.raw("precision");
  if (word == "tf32" || word == "bf16") {
    throw UnavailableError("--precision " + word +
                           ": this version does not compute in it. Write --precision fp32.");
  }
  config.precision = flags.choice("precision", kPrecisions) == "fp64" ? Precision::fp64 : Precision::fp32;
  if (config.precision == Precision::fp64 && config.device != Device::cpu) {
    throw UsageError("--precision fp64 runs on the CPU alone, and --device is " + to_string(config.device) +
                     ". Write --device cpu, or leave --precision out.");
  }
}

void read_data(FlagReader& flags, RunConfig& config) {
  config.data.name = flags.choice("dataset", dataset_names());
  config.data.directory = flags.text("data-dir");
  config.data.limit_train = flags.optional_integer("limit-train", {1, kMostSamples}).value_or(0);
  config.data.limit_test = flags.optional_integer("limit-test", {1, kMostSamples}).value_or(0);
}

void read_sampler(FlagReader& flags, RunConfig& config) {
  const std::string text = flags.raw("sampler");
  const std::string name = text.substr(0, text.find(':'));
  const std::vector<std::string> names = sampler_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) refuse_choice("sampler", name, names);
  static_cast<void>(parse_sampler(text));  // data and partitions are held against it when the data are there
  config.sampler = text;
  flags.note_as_read("sampler", text);

  const std::vector<SamplerDescription> samplers = sampler_descriptions();
  const bool is_global = std::any_of(
      samplers.begin(), samplers.end(),
      [&](const SamplerDescription& sampler) { return sampler.name == name && sampler.is_global; });
  const auto given = flags.optional_integer("partitions", {1, kMostPartitions});
  const int replicas = config.parallel.mode == Mode::data_parallel ? config.parallel.ranks : 1;
  if (config.parallel.share == Share::speed && !is_global) {
    throw UsageError(
        "--share speed moves samples between replicas, and --sampler " + name +
        " says which samples are whose. Write --sampler balanced or stratified, or leave --share out.");
  }
  config.partitions = is_global ? 0 : static_cast<int>(given.value_or(replicas));
}

void read_optimizer(FlagReader& flags, RunConfig& config) {
  static const std::vector<std::string> kOptimizers = {"sgd", "adam"};
  OptimizerOptions& optimizer = config.optimizer;
  if (flags.choice("optimizer", kOptimizers) == "adam") {
    optimizer.rule = OptimizerOptions::Rule::adam;
    for (const char* flag : {"momentum", "nesterov"}) {
      if (!flags.given(flag)) continue;
      throw UsageError("--" + std::string(flag) + ": adam has moments of its own. Leave --" + flag +
                       " out, or write --optimizer sgd.");
    }
  } else {
    optimizer.momentum = flags.real("momentum", {.low = 0, .high = 1, .high_excluded = true});
    optimizer.nesterov = flags.is_on("nesterov");
    if (optimizer.nesterov && optimizer.momentum == 0) {
      throw UsageError("--nesterov needs momentum, and --momentum is 0. Write for example --momentum 0.9.");
    }
  }
  optimizer.weight_decay = flags.real("weight-decay", {.low = 0, .high = kLargestRate});
}

void read_learning_rate(FlagReader& flags, RunConfig& config) {
  LearningRateOptions& rate = config.learning_rate;
  rate.lr = flags.real("lr", {.low = 0, .high = kLargestRate, .low_excluded = true});

  static const std::vector<std::string> kSchedules = {"constant", "step", "cosine"};
  const std::string text = flags.raw("lr-schedule");
  const NamedArguments schedule = parse_named_arguments("lr-schedule", text);
  if (std::find(kSchedules.begin(), kSchedules.end(), schedule.name) == kSchedules.end()) {
    refuse_choice("lr-schedule", schedule.name, kSchedules);
  }
  const bool is_step = schedule.name == "step";
  if (is_step) rate.schedule = LearningRateOptions::Schedule::step;
  if (schedule.name == "cosine") rate.schedule = LearningRateOptions::Schedule::cosine;

  const std::vector<std::string> keys =
      is_step ? std::vector<std::string>{"epochs", "gamma", "warmup"} : std::vector<std::string>{"warmup"};
  for (const auto& [key, value] : schedule.arguments) {
    const std::string flag = "lr-schedule " + schedule.name + ":" + key;
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      throw UsageError("--lr-schedule " + shown(text) + ": " + schedule.name + " has no parameter " +
                       shown(key) + ", only " + alternatives(keys) + ".");
    }
    if (key == "epochs") rate.step_epochs = parse_integer(flag, value, {1, kMostEpochs}, "");
    if (key == "gamma") rate.gamma = parse_real(flag, value, {.low = 0, .high = 1, .low_excluded = true}, "");
    if (key == "warmup") rate.warmup_steps = parse_integer(flag, value, {0, kMostSteps}, "");
  }
  flags.note_as_read("lr-schedule", text);
}

void read_run(FlagReader& flags, RunConfig& config) {
  config.run_dir = flags.text("run-dir");
  config.save_to = flags.text("save-to");
  config.checkpoint_every_steps = flags.optional_integer("checkpoint-every", {1, kMostSteps}).value_or(0);
  config.resume = flags.is_on("resume");
  for (const char* flag : {"checkpoint-every", "resume"}) {
    if (flags.given(flag) && config.run_dir.empty()) {
      throw UsageError("--" + std::string(flag) +
                       ": checkpoints live in a run directory. Add --run-dir DIR.");
    }
  }
  if (config.resume && flags.given("init-from")) {
    throw UsageError("--resume and --init-from both say where the weights come from. Leave one of them out.");
  }
}

void read_kernels(FlagReader& flags, RunConfig& config) {
  static const std::vector<std::string> kKernels = {"auto", "custom", "library"};
  const std::string kernels = flags.choice("kernels", kKernels);
  config.kernels = kernels == "custom"    ? KernelChoice::custom
                   : kernels == "library" ? KernelChoice::library
                                          : KernelChoice::automatic;
  static const std::vector<std::string> kSwitch = {"on", "off"};
  config.cuda_graphs = flags.choice("cuda-graph", kSwitch) == "on";
}

void read_communicator(FlagReader& flags, RunConfig& config) {
  static const std::vector<std::string> kTransports = {"auto", "nccl", "staged"};
  const std::string transport = flags.choice("communicator", kTransports);
  if (transport == "auto") return;
  config.transport = transport == "nccl" ? DeviceTransport::nccl : DeviceTransport::staged;
  if (config.device == Device::cpu || (transport == "nccl" && config.device != Device::cuda)) {
    throw UsageError("--communicator " + transport + " is for ranks on GPUs, and --device is " +
                     to_string(config.device) + ". Leave --communicator out.");
  }
}

void read_deadline(FlagReader& flags, RunConfig& config) {
  config.deadline = parse_duration("deadline", flags.raw("deadline"));
  flags.note_as_read("deadline", format_real(static_cast<double>(config.deadline.count()) / 1000) + "s");
}

/// Flags of every command that computes.
void read_common(FlagReader& flags, std::span<const std::string> words, const Environment& environment,
                 Invocation& invocation) {
  DeviceChoice choice = read_device(flags, words, environment);
  invocation.config.device = choice.device;
  invocation.config.gpus = std::move(choice.gpus);
  invocation.config.model = flags.choice("model", model_names());
}

/// How the work is split over ranks, where they meet, and what each of them has.
void read_ranks(FlagReader& flags, std::span<const std::string> words, const Environment& environment,
                Invocation& invocation) {
  read_parallel_flags(flags, words, environment, invocation);
  if (flags.given("rendezvous")) {
    invocation.rendezvous = parse_address("rendezvous", flags.typed("rendezvous"));
    flags.note("rendezvous", invocation.rendezvous, Setting::Source::flag);
  }
  read_threads(flags, environment, invocation);
  read_communicator(flags, invocation.config);
  read_kernels(flags, invocation.config);
  read_precision(flags, invocation.config);
  read_deadline(flags, invocation.config);
}

void read_training(FlagReader& flags, std::span<const std::string> words, const Environment& environment,
                   Invocation& invocation) {
  RunConfig& config = invocation.config;
  read_common(flags, words, environment, invocation);
  read_ranks(flags, words, environment, invocation);
  config.init_from = flags.text("init-from");
  read_data(flags, config);
  read_sampler(flags, config);
  read_optimizer(flags, config);
  read_learning_rate(flags, config);
  config.seed = parse_seed("seed", flags.text("seed"));
  config.slow = read_slow(flags, config.parallel.ranks);
}

void read_train(FlagReader& flags, std::span<const std::string> words, const Environment& environment,
                Invocation& invocation) {
  RunConfig& config = invocation.config;
  read_training(flags, words, environment, invocation);
  config.epochs = flags.integer("epochs", {1, kMostEpochs});
  config.steps = flags.optional_integer("steps", {1, kMostSteps});
  config.eval_every_epochs = flags.integer("eval-every", {0, kMostEpochs});
  read_run(flags, config);
}

void read_benchmark(FlagReader& flags, std::span<const std::string> words, const Environment& environment,
                    Invocation& invocation) {
  read_training(flags, words, environment, invocation);
  BenchmarkOptions& benchmark = invocation.benchmark;
  benchmark.warmup_steps = flags.integer("warmup-steps", {0, kMostSteps});
  benchmark.rounds = static_cast<int>(flags.integer("rounds", {1, kMostRounds}));
  if (const auto steps = flags.optional_integer("steps", {1, kMostSteps})) {
    benchmark.steps = *steps;
  } else {
    flags.note("steps", std::to_string(benchmark.steps), Setting::Source::fallback, "per round");
  }
}

void read_evaluate(FlagReader& flags, std::span<const std::string> words, const Environment& environment,
                   Invocation& invocation) {
  RunConfig& config = invocation.config;
  read_common(flags, words, environment, invocation);
  read_ranks(flags, words, environment, invocation);
  config.run_dir = flags.text("run-dir");
  config.init_from = flags.text("init-from");
  if (config.init_from.empty() == config.run_dir.empty()) {
    throw UsageError(
        "evaluate needs the weights, from one place: --init-from FILE for a safetensors file, or "
        "--run-dir DIR for those of a finished run.");
  }
  if (config.init_from.empty()) {
    config.init_from = config.run_dir + "/weights.safetensors";
    config.run_dir.clear();  // it is read, not written
    flags.note("init-from", config.init_from, Setting::Source::derived, "--run-dir");
  }
  read_data(flags, config);
}

void read_demo(FlagReader& flags, Invocation& invocation) {
  if (invocation.contract.is_rank()) {
    throw UsageError(
        "demo starts its own ranks, but the environment says that a launcher started this process "
        "(RANK, WORLD_SIZE). Start it without the launcher.");
  }
  RunConfig& config = invocation.config;
  config.model = flags.choice("model", model_names());
  config.epochs = flags.integer("epochs", {1, kMostEpochs});
  config.seed = parse_seed("seed", flags.text("seed"));
  read_data(flags, config);
}

void read_study(FlagReader& flags, Invocation& invocation) {
  if (invocation.contract.is_rank()) {
    throw UsageError(
        "study starts its own runs, but the environment says that a launcher started this process (RANK, "
        "WORLD_SIZE). Start it without the launcher.");
  }
  StudyOptions& study = invocation.study;
  study.file = flags.text("study");
  study.grid = flags.text("grid");
  study.seeds = flags.text("seeds");
  if (study.file.empty() == study.grid.empty()) {
    throw UsageError(
        "study needs to know what to compare, in one way: --study FILE, or --grid 'mode=data-parallel; "
        "sampler=balanced random'. `dml_engine help studies` shows both.");
  }
  invocation.config.run_dir = flags.text("run-dir");
  if (invocation.config.run_dir.empty() && !invocation.dry_run) {
    throw UsageError("study keeps its results in a folder. Add --run-dir DIR, or look first with --dry-run.");
  }
  for (const char* flag :
       {"device", "threads", "model", "dataset", "data-dir", "limit-train", "limit-test", "epochs"}) {
    if (flags.given(flag)) study.overrides.emplace_back(flag, flags.text(flag));
  }
}

void read_report(FlagReader& flags, const Tokens& tokens, Invocation& invocation) {
  invocation.config.run_dir = flags.text("run-dir");
  if (!tokens.words.empty()) {
    if (!invocation.config.run_dir.empty() || tokens.words.size() > 1) {
      throw UsageError("report reads one folder. Write `dml_engine report DIR`.");
    }
    invocation.config.run_dir = tokens.words.front();
  }
  if (invocation.config.run_dir.empty()) {
    throw UsageError("report needs the folder of a study or of a run. Write `dml_engine report DIR`.");
  }
}

void refuse_words(const Tokens& tokens) {
  if (tokens.words.empty()) return;
  throw UsageError(shown(tokens.words.front()) + ": the command " + to_string(tokens.command) +
                   " takes no further words, only flags, which begin with two dashes. `dml_engine " +
                   to_string(tokens.command) + " --help` lists them.");
}

}  // namespace

bool Invocation::given(std::string_view flag) const {
  return std::any_of(settings.begin(), settings.end(), [&](const Setting& setting) {
    return setting.name == flag && setting.source == Setting::Source::flag;
  });
}

Invocation parse_command_line(std::span<const std::string> words, const Environment& environment) {
  Invocation invocation;
  invocation.arguments.push_back(environment.program);
  invocation.arguments.insert(invocation.arguments.end(), words.begin(), words.end());

  Tokens tokens = tokenize(words);
  if (tokens.version) tokens.command = Command::version;
  if (tokens.help || tokens.command == Command::help) {
    invocation.topic = tokens.words;
    if (tokens.command != Command::help && tokens.command != Command::none) {
      invocation.topic.insert(invocation.topic.begin(), to_string(tokens.command));
    }
    tokens.command = Command::help;
  } else if (tokens.command == Command::none && !words.empty()) {
    tokens.command = Command::train;
  }
  invocation.command = tokens.command;
  if (tokens.command == Command::none || tokens.command == Command::help) return invocation;

  if (tokens.command != Command::report) refuse_words(tokens);
  if (tokens.command == Command::version) return invocation;
  refuse_flags_of_other_commands(tokens, tokens.command);
  invocation.contract = read_contract(environment.variables);
  invocation.json = tokens.given("json");
  invocation.quiet = tokens.given("quiet");
  invocation.dry_run = tokens.given("dry-run");
  invocation.explain_kernels = tokens.given("explain-kernels");
  invocation.explain_partition = tokens.given("explain-partition");
  FlagReader flags(tokens, invocation.settings);
  switch (tokens.command) {
    case Command::train:
      read_train(flags, words, environment, invocation);
      break;
    case Command::benchmark:
      read_benchmark(flags, words, environment, invocation);
      break;
    case Command::evaluate:
      read_evaluate(flags, words, environment, invocation);
      break;
    case Command::study:
      read_study(flags, invocation);
      break;
    case Command::report:
      read_report(flags, tokens, invocation);
      break;
    case Command::demo:
      read_demo(flags, invocation);
      break;
    case Command::doctor:
      invocation.config.data.directory = flags.text("data-dir");
      break;
    case Command::none:
    case Command::help:
    case Command::version:
      break;
  }
  return invocation;
}

}  // namespace dml
