#include "tests/runners/study/made_up_study.h"

#include <gtest/gtest.h>

#include "kernels/base/error.h"

namespace dml::testing {

using Json = nlohmann::json;

StudyGrid made_up_grid(const std::string& text) {
  Environment environment;
  environment.usable_cores = 2;
  environment.find_gpus = [] { return NvidiaInventory{}; };
  return expand_study(parse_study(text, "made-up.study", StudySource::file), environment);
}

Json made_up_result(const StudyArm& arm, double accuracy, double samples_per_second) {
  const int ranks = arm.config.parallel.ranks;
  Json json{{"mode", to_string(arm.config.parallel.mode)},
            {"model", "lenet"},
            {"dataset", "synthetic"},
            {"dataset_source", "synthetic: made up"},
            {"device", "cpu"},
            {"sampler", arm.config.sampler},
            {"batch", arm.config.batch},
            {"batch_meaning", "batch " + std::to_string(arm.config.batch)},
            {"world_size", ranks},
            {"threads_per_rank", arm.config.threads},
            {"steps", 100},
            {"final_train_loss", 0.5},
            {"test_accuracy", accuracy},
            {"samples_per_second", samples_per_second},
            {"slow", arm.config.slow ? Json(to_string(*arm.config.slow)) : Json()},
            {"straggler", Json()}};
  json["ledger"] = {{{"epoch", 0},
                     {"whole", true},
                     {"draws", 100},
                     {"once", 100},
                     {"repeated", 0},
                     {"never", 0},
                     {"hash", "0123456789abcdef"}}};
  json["partition"] = {{"steps", 10},
                       {"once", 100},
                       {"repeated", 0},
                       {"never", 0},
                       {"shared", 0},
                       {"effective_samples", 100.0},
                       {"shares", Json::array()}};
  for (int rank = 0; rank < ranks; ++rank) {
    json["ranks"].push_back(
        {{"rank", rank},
         {"compute_seconds", 6.0},
         {"exposed_communication_seconds", 2.0},
         {"wait_seconds", 1.0 + rank},
         {"other_seconds", 1.0 - rank},
         {"bytes_sent", 1000 * (rank + 1)},
         {"step_phase_milliseconds",
          {{"forward", 0.3}, {"backward", 0.4}, {"update", 0.01}, {"communicate", 0.0}}}});
    json["partition"]["shares"].push_back(
        {{"samples", 50}, {"classes", {25, 25 - rank, rank}}, {"label_distance", 0.1}, {"idle", 0.0}});
  }
  return json;
}

void record_all(const std::string& directory, const StudyGrid& grid,
                const std::function<Json(const StudyArm&, std::uint64_t)>& result_of) {
  StudyDirectory study(directory, grid,
                       {{"version", "1"}, {"git_revision", "abc"}, {"command", "dml_engine study"}});
  for (const std::uint64_t seed : grid.seeds) {
    for (const StudyComparison& comparison : grid.comparisons) {
      for (const StudyArm& arm : comparison.arms) {
        StudyRecord record;
        record.id = run_id(arm, seed);
        record.seed = seed;
        record.seconds = 1;
        record.result = result_of(arm, seed);
        if (record.result.is_null()) record.failure = "the loss became NaN";
        for (const int step : {100, 200}) {
          record.metrics.push_back({{"kind", "train"}, {"step", step}, {"loss", 1.0 / step}, {"epoch", 0}});
        }
        record.metrics.push_back({{"kind", "epoch"}, {"epoch", 0}, {"test_accuracy", 0.8}});
        study.append(record);
      }
    }
  }
}

void expect_refused(const BadStudy& bad, const std::function<void(const std::string&)>& read) {
  try {
    read(bad.text);
    FAIL() << "accepted: " << bad.text;
  } catch (const UsageError& error) {
    for (const std::string& mention : bad.mentions) {
      EXPECT_NE(std::string(error.what()).find(mention), std::string::npos)
          << "no '" << mention << "' in: " << error.what();
    }
  }
}

}  // namespace dml::testing
