#include "runners/result.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/train/agreement.h"
#include "runners/text.h"
#include "runners/version.h"

namespace dml {
namespace {

using Json = nlohmann::json;

template <class Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

std::string command_name(Command command) {
  switch (command) {
    case Command::train:
      return "train";
    case Command::evaluate:
      return "evaluate";
    case Command::benchmark:
      return "benchmark";
    default:
      return "none";
  }
}

/// Milliseconds by the phase's name; null where no phase was measured.
Json to_json(const PhaseTimes& times) {
  if (std::all_of(times.begin(), times.end(), [](double ms) { return ms == 0; })) return {};
  Json json;
  for (const StepPhase phase : kAllStepPhases) {
    json[to_string(phase)] = times[static_cast<std::size_t>(phase)];
  }
  return json;
}

PhaseTimes phase_times(const Json& json) {
  PhaseTimes times{};
  if (json.is_null()) return times;
  for (const StepPhase phase : kAllStepPhases) {
    times[static_cast<std::size_t>(phase)] = json.at(to_string(phase));
  }
  return times;
}

Json to_json(const Straggler& straggler) {
  return {{"rank", straggler.rank},
          {"phase", to_string(straggler.phase)},
          {"excess_milliseconds_per_step", straggler.excess_ms},
          {"share_of_step", straggler.share_of_step},
          {"consistency", straggler.consistency}};
}

Json to_json(const PartitionCard& card, std::int64_t batch) {
  Json shares = Json::array();
  for (const PartitionShare& share : card.shares) {
    shares.push_back({{"samples", share.samples},
                      {"classes", share.classes},
                      {"label_distance", share.label_distance},
                      {"idle", share.idle}});
  }
  return {{"steps", card.steps(batch)},
          {"once", card.once},
          {"repeated", card.repeated},
          {"never", card.never},
          {"shared", card.shared},
          {"effective_samples", card.effective_samples},
          {"shares", shares}};
}

/// What travels between ranks.
Json to_json(const RankTime& rank) {
  return {{"rank", rank.rank},
          {"stage", rank.stage},
          {"bytes_sent", or_null(rank.bytes_sent)},
          {"step_phase_milliseconds", to_json(rank.step_phases)},
          {"host", rank.host},
          {"device", rank.device},
          {"compute_seconds", rank.time.compute_seconds},
          {"exposed_communication_seconds", rank.time.exposed_communication_seconds},
          {"wait_seconds", rank.time.wait_seconds},
          {"other_seconds", rank.time.other_seconds}};
}

RankTime rank_time(const Json& json) {
  RankTime rank;
  rank.rank = json.at("rank");
  rank.host = json.at("host");
  rank.device = json.at("device");
  rank.time = {json.at("compute_seconds"), json.at("exposed_communication_seconds"), json.at("wait_seconds"),
               json.at("other_seconds")};
  rank.stage = json.at("stage");
  if (!json.at("bytes_sent").is_null()) rank.bytes_sent = json.at("bytes_sent").get<std::int64_t>();
  rank.step_phases = phase_times(json.at("step_phase_milliseconds"));
  for (const Json& block : json.at("blocks")) rank.blocks.push_back(phase_times(block));
  return rank;
}

}  // namespace

nlohmann::json to_json(const EpochLedger& ledger) {
  return {{"epoch", ledger.epoch},
          {"whole", ledger.whole},
          {"draws", ledger.sum.draws},
          {"once", ledger.once},
          {"repeated", ledger.repeated},
          {"never", ledger.never},
          {"hash", hash_text(ledger.sum.hash)}};
}

std::string describe_ledger(const EpochLedger& ledger) {
  std::string text = "epoch " + std::to_string(ledger.epoch + 1) + (ledger.whole ? "" : ", so far,") +
                     " consumed " + plural(ledger.sum.draws, "sample") + ": ";
  if (ledger.repeated == 0 && ledger.never == 0) return text + "each exactly once";
  return text + with_thousands(ledger.once) + " of the data set once, " + with_thousands(ledger.repeated) +
         " more often, " + with_thousands(ledger.never) + " never";
}

std::vector<RankTime> gather_rank_times(RankRun& run, const TimeSplit& mine) {
  const RunConfig& config = run.invocation().config;
  Session& session = run.session();
  const Timeline& timeline = session.timeline();
  RankTime entry;
  entry.rank = run.context().rank;
  entry.host = run.context().host;
  entry.device = to_string(config.device) + " x" + std::to_string(config.threads);
  entry.time = mine;
  entry.stage = session.topology().stage_of(session.rank());
  entry.bytes_sent = timeline.bytes_sent();
  entry.step_phases = timeline.step_times().medians();
  Json json = to_json(entry);
  json["blocks"] = Json::array();
  for (const PhaseTimes& block : timeline.step_times().block_medians(kStragglerBlocks)) {
    json["blocks"].push_back(to_json(block));
  }
  std::vector<RankTime> ranks;
  for (const std::string& text : gather_texts(session.communicator(), session.stream(), json.dump())) {
    ranks.push_back(rank_time(Json::parse(text)));
  }
  return ranks;
}

std::optional<Straggler> find_straggler(const std::vector<RankTime>& ranks, std::int64_t steps) {
  std::vector<RankPhases> phases;
  for (const RankTime& rank : ranks) {
    const TimeSplit& time = rank.time;
    const double seconds =
        time.compute_seconds + time.exposed_communication_seconds + time.wait_seconds + time.other_seconds;
    phases.push_back({.stage = rank.stage,
                      .blocks = rank.blocks,
                      .step_ms = steps > 0 ? 1e3 * seconds / static_cast<double>(steps) : 0});
  }
  return find_straggler(phases);
}

std::string describe_straggler(const Straggler& straggler) {
  return "rank " + std::to_string(straggler.rank) + " is slow in " + to_string(straggler.phase) + ": " +
         decimal(straggler.excess_ms, 3) + " ms a step more than the others, " +
         percent(straggler.share_of_step, 0) + " of a step";
}

Json result_json(RankRun& run, const Measurements& measurements) {
  const RunConfig& config = run.invocation().config;
  const std::optional<Evaluation>& test = measurements.evaluation;
  Json json;
  json["schema_version"] = kResultSchemaVersion;
  json["version"] = version();
  json["git_revision"] = git_revision();
  json["command"] = command_name(run.invocation().command);
  json["mode"] = to_string(config.parallel.mode);
  json["model"] = config.model;
  json["dataset"] = config.data.name;
  json["dataset_source"] = run.data().train.source;
  json["device"] = to_string(config.device);
  json["precision"] = to_string(config.precision);
  json["threads_per_rank"] = config.threads;
  json["world_size"] = run.context().world_size;
  json["seed"] = config.seed;
  json["sampler"] = config.sampler;
  json["aggregate"] =
      config.parallel.mode == Mode::data_parallel ? Json(to_string(config.parallel.aggregate)) : Json();
  json["schedule"] =
      config.parallel.mode == Mode::model_parallel ? Json(to_string(config.parallel.schedule)) : Json();
  json["batch"] = config.batch;
  json["batch_per_rank"] = static_cast<double>(config.batch) / run.session().topology().replicas;
  json["batch_meaning"] = batch_meaning(config);
  json["epochs"] = or_null(measurements.epochs);
  json["steps"] = or_null(measurements.steps);
  json["steps_here"] = or_null(measurements.steps_here);
  json["final_train_loss"] = or_null(measurements.final_train_loss);
  json["test_loss"] = test ? Json(test->loss) : Json();
  json["test_accuracy"] = test ? Json(test->accuracy) : Json();
  json["test_samples"] = test ? Json(test->samples) : Json();
  json["setup_seconds"] = or_null(measurements.setup_seconds);
  json["train_seconds"] = or_null(measurements.train_seconds);
  json["total_seconds"] = run.elapsed_seconds();
  json["samples_per_second"] = or_null(measurements.samples_per_second);
  json["speedup_ceiling"] = speedup_ceiling(run.session().topology(), run.session().model());
  json["weights_hash"] = or_null(measurements.weights_hash);
  json["kernel_plan_hash"] = Json();  // the CPU's kernels are chosen by oneDNN
  const ParallelOptions& parallel = config.parallel;
  const bool shared = parallel.mode == Mode::data_parallel;
  json["local_steps"] = parallel.local_steps > 0 ? Json(parallel.local_steps) : Json();
  json["share"] = shared ? Json(to_string(parallel.share)) : Json();
  json["slow"] = config.slow ? Json(to_string(*config.slow)) : Json();
  json["straggler"] = measurements.straggler ? to_json(*measurements.straggler) : Json();
  json["partition"] = measurements.partition ? to_json(*measurements.partition, config.batch) : Json();
  json["ledger"] = Json::array();
  for (const EpochLedger& ledger : measurements.ledgers) json["ledger"].push_back(to_json(ledger));
  json["ranks"] = Json::array();
  for (const RankTime& rank : measurements.ranks) json["ranks"].push_back(to_json(rank));
  return json;
}

std::string json_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string rank_time_table(const std::vector<RankTime>& ranks) {
  std::vector<std::vector<std::string>> rows{{"rank", "device", "compute", "communication", "wait", "other"}};
  for (const RankTime& rank : ranks) {
    const TimeSplit& time = rank.time;
    const double total =
        time.compute_seconds + time.exposed_communication_seconds + time.wait_seconds + time.other_seconds;
    const auto cell = [&](double seconds) {
      return decimal(seconds, 2) + " s " + percent(seconds / total, 1);
    };
    rows.push_back({std::to_string(rank.rank), rank.device, cell(time.compute_seconds),
                    cell(time.exposed_communication_seconds), cell(time.wait_seconds),
                    cell(time.other_seconds)});
  }
  return aligned_table(rows, 2);
}

}  // namespace dml
