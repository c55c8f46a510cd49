#include "runners/result.h"

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

Json to_json(const RankTime& rank) {
  return {{"rank", rank.rank},
          {"host", rank.host},
          {"device", rank.device},
          {"compute_seconds", rank.time.compute_seconds},
          {"exposed_communication_seconds", rank.time.exposed_communication_seconds},
          {"wait_seconds", rank.time.wait_seconds},
          {"other_seconds", rank.time.other_seconds}};
}

RankTime rank_time(const Json& json) {
  return {json.at("rank"),
          json.at("host"),
          json.at("device"),
          {json.at("compute_seconds"), json.at("exposed_communication_seconds"), json.at("wait_seconds"),
           json.at("other_seconds")}};
}

}  // namespace

std::vector<RankTime> gather_rank_times(RankRun& run, const TimeSplit& mine) {
  const RunConfig& config = run.invocation().config;
  const RankTime entry{run.context().rank, run.context().host,
                       to_string(config.device) + " x" + std::to_string(config.threads), mine};
  std::vector<RankTime> ranks;
  Session& session = run.session();
  for (const std::string& text :
       gather_texts(session.communicator(), session.stream(), to_json(entry).dump())) {
    ranks.push_back(rank_time(Json::parse(text)));
  }
  return ranks;
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
