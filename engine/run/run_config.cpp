#include "engine/run/run_config.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"

namespace dml {

std::string to_string(Device device) {
  switch (device) {
    case Device::cpu:
      return "cpu";
    case Device::cuda:
      return "cuda";
    case Device::emulator:
      return "emulator";
  }
  return "unknown";
}

std::string to_string(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return "fp32";
    case Precision::fp64:
      return "fp64";
  }
  return "unknown";
}

std::string to_string(DeviceTransport transport) {
  switch (transport) {
    case DeviceTransport::automatic:
      return "auto";
    case DeviceTransport::staged:
      return "staged";
    case DeviceTransport::nccl:
      return "nccl";
  }
  return "unknown";
}

std::string to_string(const SlowOptions& slow) {
  const auto number = [](const char* key, double value) {
    char text[48];
    std::snprintf(text, sizeof text, ",%s=%.10g", key, value);
    return std::string(text);
  };
  std::string text = "rank=" + std::to_string(slow.rank) + ",phase=" + to_string(slow.phase);
  if (slow.ms != 0) text += number("ms", slow.ms);
  if (slow.factor != 1) text += number("factor", slow.factor);
  if (slow.jitter_ms != 0) text += number("jitter", slow.jitter_ms);
  return text;
}

std::string canonical_configuration(const RunConfig& config) {
  nlohmann::json json;  // std::map inside: keys come out sorted
  json["model"] = config.model;
  json["kernels"] = to_string(config.kernels);
  json["communicator"] = to_string(config.transport);
  json["precision"] = to_string(config.precision);
  json["dataset"] = config.data.name;
  json["limit_train"] = config.data.limit_train;
  json["batch"] = config.batch;
  json["sampler"] = config.sampler;
  json["partitions"] = config.partitions;
  json["seed"] = config.seed;
  json["init_from"] = config.init_from;
  json["threads"] = config.threads;

  const ParallelOptions& parallel = config.parallel;
  json["mode"] = to_string(parallel.mode);
  json["ranks"] = parallel.ranks;
  json["aggregate"] = to_string(parallel.aggregate);
  json["bucket_bytes"] = parallel.bucket_bytes;
  json["split"] = parallel.split;
  json["schedule"] = to_string(parallel.schedule);
  json["micro_batches"] = parallel.micro_batches;
  json["accumulate"] = parallel.accumulate;
  if (parallel.share != Share::equal) json["share"] = to_string(parallel.share);
  if (parallel.local_steps > 0) json["local_steps"] = parallel.local_steps;

  const OptimizerOptions& optimizer = config.optimizer;
  json["optimizer"] = optimizer.rule == OptimizerOptions::Rule::adam ? "adam" : "sgd";
  json["momentum"] = optimizer.momentum;
  json["nesterov"] = optimizer.nesterov;
  json["weight_decay"] = optimizer.weight_decay;

  const LearningRateOptions& rate = config.learning_rate;
  json["lr"] = rate.lr;
  json["warmup_steps"] = rate.warmup_steps;
  switch (rate.schedule) {
    case LearningRateOptions::Schedule::constant:
      json["lr_schedule"] = "constant";
      break;
    case LearningRateOptions::Schedule::step:
      json["lr_schedule"] = "step";
      json["lr_gamma"] = rate.gamma;
      json["lr_step_epochs"] = rate.step_epochs;
      break;
    case LearningRateOptions::Schedule::cosine:
      json["lr_schedule"] = "cosine";  // its length is part of every rate
      json["epochs"] = config.epochs;
      if (config.steps) json["steps"] = *config.steps;
      break;
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);  // paths may be any bytes
}

std::vector<std::string> rounding_settings(const RunConfig& config) {
  std::vector<std::string> settings = {"accumulate",   "aggregate", "bucket_bytes",
                                       "communicator", "kernels",   "micro_batches",
                                       "schedule",     "split",     "threads"};
  if (config.parallel.local_steps == 0) settings.insert(settings.end(), {"mode", "ranks", "share"});
  return settings;
}

std::string describe_difference(const std::string& here, const std::string& there,
                                const std::string& there_name, const std::vector<std::string>& ignored) {
  const nlohmann::json ours = nlohmann::json::parse(here, nullptr, false);
  const nlohmann::json theirs = nlohmann::json::parse(there, nullptr, false);
  if (!ours.is_object() || !theirs.is_object())
    throw DataError("the configuration " + there_name + " is damaged");
  std::string differences;
  const auto note = [&](const std::string& key) {
    const auto text = [&](const nlohmann::json& side) {
      return side.contains(key) ? side[key].dump() : "not set";
    };
    if (text(ours) == text(theirs)) return;
    if (std::find(ignored.begin(), ignored.end(), key) != ignored.end()) return;
    differences += (differences.empty() ? "" : "; ") + key + ": " + text(ours) + " here, " + text(theirs) +
                   " " + there_name;
  };
  for (const auto& item : ours.items()) note(item.key());
  for (const auto& item : theirs.items()) {
    if (!ours.contains(item.key())) note(item.key());
  }
  return differences;
}

}  // namespace dml
