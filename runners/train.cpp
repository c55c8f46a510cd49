#include "runners/train.h"

#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/run/atomic_file.h"
#include "engine/run/checkpoint_directory.h"
#include "engine/run/run_directory.h"
#include "engine/train/trace.h"
#include "engine/train/trainer.h"
#include "engine/train/weights_file.h"
#include "runners/launch/stop_request.h"
#include "runners/progress.h"
#include "runners/rank_run.h"
#include "runners/result.h"
#include "runners/text.h"
#include "runners/version.h"

namespace dml {
namespace {

using Json = nlohmann::json;

/// Shows the run to the person and keeps it in the run directory; only rank 0 has either.
class Reporter final : public TrainObserver {
 public:
  Reporter(const RankContext& context, Progress& progress, RunDirectory* directory, RankLog& log)
      : context_(context), progress_(progress), directory_(directory), log_(log) {}

  void on_step(std::int64_t step) override { report_progress(context_, step); }

  void on_window(const WindowReport& report) override { progress_.window(report); }

  void on_loss_block(const LossBlock& block) override {
    keep({{"kind", "train"},
          {"epoch", block.epoch},
          {"step", block.step},
          {"loss", block.loss},
          {"learning_rate", block.learning_rate}});
  }

  void on_epoch(const EpochReport& report) override {
    progress_.epoch(report);
    log_.write("epoch " + std::to_string(report.epoch + 1) + " done at step " + std::to_string(report.step) +
               ", train loss " + decimal(report.train_loss, 6));
    Json json{{"kind", "epoch"},           {"epoch", report.epoch},
              {"step", report.step},       {"train_loss", report.train_loss},
              {"samples", report.samples}, {"samples_per_second", report.samples_per_second}};
    if (report.evaluation) {
      json["test_loss"] = report.evaluation->loss;
      json["test_accuracy"] = report.evaluation->accuracy;
      json["test_samples"] = report.evaluation->samples;
    }
    json["ledger"] = to_json(report.ledger);
    keep(json);
  }

  void on_checkpoint(const std::string& path) override {
    log_.write("checkpoint " + path);
    keep({{"kind", "checkpoint"}, {"path", path}});
  }

 private:
  void keep(const Json& json) {
    if (directory_ != nullptr) directory_->append_metric(json_text(json));
  }

  const RankContext& context_;
  Progress& progress_;
  RunDirectory* directory_;
  RankLog& log_;
};

std::string describe_run(const RankRun& run) {
  const Invocation& invocation = run.invocation();
  const Json json{{"schema_version", kResultSchemaVersion},
                  {"version", version()},
                  {"git_revision", git_revision()},
                  {"arguments", invocation.arguments},
                  {"world_size", run.context().world_size},
                  {"host", run.context().host},
                  {"epochs", invocation.config.epochs},
                  {"configuration", Json::parse(canonical_configuration(invocation.config))}};
  return json_text(json, 2);
}

/// The newest whole checkpoint of the run directory, which must have been made by the same configuration.
LatestCheckpoint checkpoint_to_resume(const RunConfig& config, Progress& progress) {
  LatestCheckpoint latest = load_latest_checkpoint(config.run_dir);
  for (const std::string& reason : latest.rejected)
    progress.message("warning: passing over a checkpoint: " + reason);
  const std::string ours = canonical_configuration(config), theirs = latest.checkpoint.configuration;
  const std::string difference =
      describe_difference(ours, theirs, "in " + latest.path, rounding_settings(config));
  if (!difference.empty()) {
    throw UsageError("--resume: " + latest.path + " was made by another configuration (" + difference +
                     "); use the flags it was made with, or start anew in another --run-dir");
  }
  const std::string rounding = describe_difference(ours, theirs, "in " + latest.path);
  if (!rounding.empty()) {
    progress.message("resuming with other settings (" + rounding +
                     "): the same samples in the same steps, rounded differently");
  }
  return latest;
}

void print_result(RankRun& run, const TrainResult& result, const Measurements& measurements) {
  std::string text;
  if (result.evaluation) {
    text += "test accuracy  " + percent(result.evaluation->accuracy, 2) + " of " +
            plural(result.evaluation->samples, "sample") + ", loss " + decimal(result.evaluation->loss, 4) +
            "\n";
  }
  if (result.final_train_loss) {
    text += "train loss     " + decimal(*result.final_train_loss, 4) + ", mean over the last epoch\n";
  }
  if (measurements.samples_per_second) {
    text += "speed          " + with_thousands(static_cast<std::int64_t>(*measurements.samples_per_second)) +
            " samples/s; " + plural(result.steps, "step") + ", trained " + decimal(result.train_seconds, 2) +
            " s of " + decimal(run.elapsed_seconds(), 2) + " s\n";
  }
  text += "weights        " + *measurements.weights_hash + "\n";
  if (!result.ledgers.empty()) text += "data           " + describe_ledger(result.ledgers.back()) + "\n";
  text += "\n" + rank_time_table(measurements.ranks);
  if (measurements.straggler) text += describe_straggler(*measurements.straggler) + "\n";
  std::fputs(text.c_str(), stdout);
}

int stopped_exit_code(const RunConfig& config, const StopRequest& stop, const TrainResult& result,
                      Progress& progress) {
  if (!config.run_dir.empty()) {
    progress.message("stopped at step " + std::to_string(result.steps) +
                     "; go on with the same command and --resume");
    return static_cast<int>(ExitCode::stopped);
  }
  progress.message("stopped at step " + std::to_string(result.steps) +
                   "; nothing was kept (a --run-dir would hold a checkpoint)");
  return stop.requested() ? stop.exit_code() : 128 + SIGTERM;
}

}  // namespace

int run_train(const Invocation& invocation, const RankContext& context) {
  const RunConfig& config = invocation.config;
  const StopRequest stop;
  Progress progress(context.rank == 0 ? Progress::style_for_stderr(invocation.quiet) : Progress::Style::none);

  if (context.rank == 0 && !config.save_to.empty()) {
    const AtomicFile probe(
        config.save_to);  // a place that cannot be written to is better known before training
  }
  std::optional<RunDirectory> directory;
  std::optional<LatestCheckpoint> latest;
  if (context.rank == 0 && !config.run_dir.empty()) {
    if (config.resume) latest = checkpoint_to_resume(config, progress);
    directory.emplace(config.run_dir, config.resume);
  }
  RankRun run(invocation, context, [&stop] {
    if (stop.requested()) {
      throw Error(static_cast<ExitCode>(stop.exit_code()),
                  "stopped while waiting for the other ranks; no training had begun");
    }
  });
  RankLog log(config.run_dir, context.rank);  // after the ranks have met, so that rank 0 has made the folder
  if (directory) directory->write("run.json", describe_run(run));
  progress.message(run.headline());
  log.write(run.headline());

  Session& session = run.session();
  Reporter reporter(context, progress, directory ? &*directory : nullptr, log);
  Trainer trainer(session, reporter, [&] { return stop.requested(); });
  if (config.resume) trainer.resume(latest ? &latest->checkpoint : nullptr, latest ? latest->path : "");
  const std::int64_t first_step = latest ? latest->checkpoint.step : 0;
  const double setup_seconds = run.elapsed_seconds();
  const TrainResult result = trainer.train();
  log.write("kernels:\n" + session.description());

  Measurements measurements{.epochs = result.epochs,
                            .steps = result.steps,
                            .steps_here = result.steps - first_step,
                            .final_train_loss = result.final_train_loss,
                            .evaluation = result.evaluation,
                            .setup_seconds = setup_seconds,
                            .train_seconds = result.train_seconds,
                            .samples_per_second = {},
                            .weights_hash = session.weights_hash(),
                            .ranks = gather_rank_times(run, result.time),
                            .ledgers = result.ledgers,
                            .straggler = {},
                            .partition = {}};
  measurements.straggler = find_straggler(measurements.ranks, result.steps - first_step);
  if (result.train_seconds > 0) {
    measurements.samples_per_second = static_cast<double>(result.trained_samples) / result.train_seconds;
  }
  const std::string trace = gather_trace(session.timeline(), session.communicator(), session.stream());
  if (!run.is_rank_zero()) return result.stopped ? stopped_exit_code(config, stop, result, progress) : 0;

  if (directory) {
    directory->write("trace.json", trace);
    // Which replica works on which position is decided as the run goes, where shares follow speed.
    if (config.parallel.share == Share::equal) measurements.partition = run.partition_card();
  }
  if (result.stopped) return stopped_exit_code(config, stop, result, progress);
  if (!config.save_to.empty()) save_weights(session, config.save_to);
  const Json json = result_json(run, measurements);
  if (directory) {
    save_weights(session, directory->file("weights.safetensors"));
    directory->write("result.json", json_text(json, 2) + "\n");
  }
  if (invocation.json) {
    std::puts(json_text(json).c_str());
  } else {
    print_result(run, result, measurements);
  }
  return 0;
}

}  // namespace dml
