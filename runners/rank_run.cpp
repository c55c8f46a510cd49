#include "runners/rank_run.h"

#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "engine/parallel/modes.h"
#include "engine/train/agreement.h"
#include "engine/train/backends.h"
#include "engine/train/timeline.h"
#include "engine/train/weights_file.h"
#include "runners/text.h"

namespace dml {
namespace {

/// "16", or "10 to 11" when the slices are not all alike.
std::string slice_range(std::int64_t samples, int parts) {
  const std::vector<std::int64_t> sizes = slice_sizes(samples, parts);
  if (sizes.front() == sizes.back()) return std::to_string(sizes.front());
  return std::to_string(sizes.back()) + " to " + std::to_string(sizes.front());
}

std::string stage_name(const ModelSpec& model, const Stage& stage) {
  const std::string& first = layer_name(model.layers[static_cast<std::size_t>(stage.first_layer)]);
  const std::string& last = layer_name(model.layers[static_cast<std::size_t>(stage.last_layer - 1)]);
  return first == last ? first : first + ".." + last;
}

/// What every rank must have been started with: what decides the weights, and what decides which
/// communication follows which.
std::string common_settings(const Invocation& invocation) {
  const RunConfig& config = invocation.config;
  auto json = nlohmann::json::parse(canonical_configuration(config));
  json["command"] = to_string(invocation.command);
  json["epochs"] = config.epochs;
  if (config.steps) json["steps"] = *config.steps;
  json["eval_every"] = config.eval_every_epochs;
  json["checkpoint_every"] = config.checkpoint_every_steps;
  json["run_dir"] = config.run_dir.empty() ? "none" : "given";  // hosts may have it in different places
  json["resume"] = config.resume;
  json["explain_kernels"] = invocation.explain_kernels;
  if (invocation.command == Command::benchmark) {
    const BenchmarkOptions& benchmark = invocation.benchmark;
    json["benchmark"] = {
        {"warmup_steps", benchmark.warmup_steps}, {"steps", benchmark.steps}, {"rounds", benchmark.rounds}};
  }
  return json.dump();
}

}  // namespace

std::string batch_meaning(const RunConfig& config) {
  const ParallelOptions& parallel = config.parallel;
  std::string text = "batch " + std::to_string(config.batch);
  if (parallel.mode == Mode::data_parallel) {
    text += " = " + plural(parallel.ranks, "replica") +
            (parallel.share == Share::speed ? ", shares by speed"
                                            : " x " + slice_range(config.batch, parallel.ranks));
    if (parallel.local_steps > 0) text += ", each updating alone with its share";
  }
  if (slices_per_step(parallel) > 1) {
    const char* slices = parallel.mode == Mode::model_parallel ? " micro-batches" : " accumulated slices";
    const std::int64_t share = parallel.mode == Mode::data_parallel
                                   ? (config.batch + parallel.ranks - 1) / parallel.ranks
                                   : config.batch;
    text += parallel.mode == Mode::data_parallel ? ", each = " : " = ";
    text += std::to_string(slices_per_step(parallel)) + slices + " x " +
            slice_range(share, slices_per_step(parallel));
  }
  return text;
}

RankRun::RankRun(const Invocation& invocation, const RankContext& context, const WhileWaiting& while_waiting)
    : invocation_(invocation), context_(context), started_ns_(monotonic_ns()) {
  const RunConfig& config = invocation.config;
  // First, so that a rank that cannot go on from here ends the others at once.
  host_communicator_ = connect(context, config.deadline, while_waiting);
  data_ = load_dataset(config.data);
  backend_ = make_backend(config, context.local_rank);
  HostStream stream;
  check_agreement(*host_communicator_, stream, common_settings(invocation), data_);
  device_communicator_ =
      make_device_communicator(config, context.local_rank, *host_communicator_, *backend_,
                               [&context](const PeerError& error) { end_process(context, error); });
  Communicator& peers =
      device_communicator_.communicator ? *device_communicator_.communicator : *host_communicator_;

  const int replicas = config.parallel.mode == Mode::data_parallel ? config.parallel.ranks : 1;
  sampler_ = make_sampler(config.sampler, {.samples = data_.train.samples,
                                           .replicas = replicas,
                                           .seed = config.seed,
                                           .partitions = config.partitions,
                                           .labels = data_.train.labels});
  const OrderOfEpoch order = [this](std::int64_t epoch) {
    auto positions = std::make_shared<const EpochOrder>(sampler_->epoch(epoch));
    return SampleOrder{positions->length(), [positions](std::int64_t p) { return positions->sample(p); },
                       [positions](std::int64_t p) { return positions->holds(p); }};
  };
  session_ = std::make_unique<Session>(config, *backend_, peers, data_, order);
  if (!config.init_from.empty()) load_weights(*session_, config.init_from);
}

double RankRun::elapsed_seconds() const {
  return static_cast<double>(monotonic_ns() - started_ns_) * 1e-9;
}

std::string RankRun::headline() {
  const RunConfig& config = invocation_.config;
  const ModelSpec& model = session_->model();
  const Topology& topology = session_->topology();
  std::string text = model.name + " (" + with_thousands(session_->layout().elements()) + " parameters) on " +
                     data_.train.name + ": " + with_thousands(data_.train.samples) + " training and " +
                     with_thousands(data_.test.samples) + " test samples from " + data_.train.source + "\n";
  text += to_string(config.parallel.mode) + " on " + plural(context_.world_size, "rank") + " x " +
          plural(config.threads, "thread") + " (" + to_string(config.device) + ", " +
          to_string(config.precision) + "): " + batch_meaning(config) + "\n";
  if (config.device == Device::emulator) {
    text +=
        "the emulator runs every CUDA thread by itself, to look for mistakes in kernels: some hundred times "
        "slower than --device cpu\n";
  }
  if (device_communicator_.communicator) {
    text += "values travel by " + device_communicator_.communicator->name();
    const std::string& reason = device_communicator_.choice.reason;
    text += reason.empty() ? "\n" : ": " + reason + "\n";
  }
  if (topology.stage_count() > 1) {
    const std::vector<double> shares = stage_work(topology, model);
    std::string stages;
    for (std::size_t s = 0; s < shares.size(); ++s) {
      stages += (s == 0 ? "" : " | ") + stage_name(model, topology.stages[s]) + " " + percent(shares[s], 0);
    }
    text += "work of the stages: " + stages + ": at this cut nothing exceeds " +
            decimal(speedup_ceiling(topology, model), 2) + "x\n";
  }
  if (const double unseen = unseen_share(0); unseen > 0) {
    text += "sampler " + config.sampler + ": " + percent(unseen, 1) +
            " of the training set is seen by no replica in the first epoch\n";
  }
  if (invocation_.explain_partition && is_rank_zero()) text += partition();
  if (invocation_.explain_kernels) text += kernels();
  return text;
}

int RankRun::partitions() const {
  const int given = invocation_.config.partitions;
  return given > 0 ? given : session_->topology().replicas;
}

PartitionCard RankRun::partition_card() const {
  return describe_partition(sampler_->epoch(0), partitions(), data_.train.labels);
}

std::string RankRun::partition() const {
  const RunConfig& config = invocation_.config;
  return card_text(partition_card(),
                   "sampler " + config.sampler + ", seed " + std::to_string(config.seed) +
                       ", first epoch: " + plural(partitions(), "partition") + " for " +
                       plural(session_->topology().replicas, "replica"),
                   config.batch);
}

std::string RankRun::kernels() {
  StepBatch batch;
  session_->batches(0).take(0, batch);
  session_->prepare(batch);
  HostStream stream;
  const std::vector<std::string> descriptions =
      gather_texts(*host_communicator_, stream, session_->description());
  std::string text;
  for (std::size_t rank = 0; rank < descriptions.size(); ++rank) {
    text += "kernels of rank " + std::to_string(rank) + "\n";
    std::istringstream lines(descriptions[rank]);
    for (std::string line; std::getline(lines, line);) text += "  " + line + "\n";
  }
  return text;
}

double RankRun::unseen_share(std::int64_t epoch) const {
  if (sampler_->is_global()) return 0;
  const EpochOrder order = sampler_->epoch(epoch);
  std::vector<bool> seen(static_cast<std::size_t>(data_.train.samples));
  for (std::int64_t p = 0; p < order.length(); ++p) {
    if (const auto sample = order.sample(p)) seen[static_cast<std::size_t>(*sample)] = true;
  }
  std::int64_t unseen = 0;
  for (const bool s : seen) unseen += s ? 0 : 1;
  return static_cast<double>(unseen) / static_cast<double>(data_.train.samples);
}

}  // namespace dml
