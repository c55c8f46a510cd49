#include "runners/benchmark.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/train/agreement.h"
#include "engine/train/learning_rate.h"
#include "engine/train/settle.h"
#include "engine/train/trainer.h"
#include "runners/progress.h"
#include "runners/rank_run.h"
#include "runners/result.h"
#include "runners/text.h"

namespace dml {
namespace {

using Json = nlohmann::json;

/// Median, extremes and the tenth and ninetieth percentile of one figure over the rounds.
Json summary(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double q) {
    const double place = q * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - std::floor(place)) * (values[above] - values[below]);
  };
  return {{"median", quantile(0.5)},
          {"p10", quantile(0.1)},
          {"p90", quantile(0.9)},
          {"min", values.front()},
          {"max", values.back()}};
}

/// One timed round on this rank.
struct Round {
  double seconds = 0;
  std::int64_t samples = 0;
  TimeSplit time;
};

/// Endless training steps, epoch after epoch.
class StepSource {
 public:
  explicit StepSource(Session& session) : session_(session), batches_(session.batches(0)) {}

  /// Runs the next `count` steps, in windows as training does; returns their samples over all ranks.
  std::int64_t run(std::int64_t count) {
    std::int64_t samples = 0;
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t window = std::min(count - done, Trainer::kWindowSteps);
      samples += run_window(static_cast<std::size_t>(window));
      done += window;
    }
    return samples;
  }

  [[nodiscard]] std::int64_t step() const { return step_; }

 private:
  std::int64_t run_window(std::size_t steps) {
    const RunConfig& config = session_.config();
    std::int64_t samples = 0;
    if (window_.size() < steps) window_.resize(steps);
    states_.clear();
    for (std::size_t i = 0; i < steps; ++i) {
      if (epoch_step_ == batches_.steps()) {
        batches_ = session_.batches(++epoch_);
        epoch_step_ = 0;
      }
      batches_.take(epoch_step_++, window_[i]);
      states_.push_back(
          {.step = step_,
           .samples = window_[i].samples,
           .learning_rate = learning_rate(config.learning_rate, step_, epoch_, batches_.steps())});
      samples += window_[i].samples;
      ++step_;
    }
    const std::vector<StepOutcome> outcomes =
        session_.train_steps(std::span(window_).first(steps), states_, [](std::int64_t /*step*/) {});
    for (std::size_t i = 0; i < steps; ++i) {
      if (outcomes[i].not_finite.empty()) continue;
      throw NegativeResult("the loss became NaN or infinite at step " + std::to_string(states_[i].step) +
                           ": " + outcomes[i].not_finite + ". Lower --lr");
    }
    return samples;
  }

  Session& session_;
  BatchSequence batches_;
  std::vector<StepBatch> window_;  ///< its memory is used again
  std::vector<StepState> states_;
  std::int64_t epoch_ = 0, epoch_step_ = 0, step_ = 0;
};

Round run_round(Session& session, StepSource& source, std::int64_t steps) {
  Timeline& timeline = session.timeline();
  timeline.reset();
  session.communicator().barrier(session.stream());
  Round round;
  const std::int64_t start_ns = monotonic_ns();
  round.samples = source.run(steps);
  session.finish_compute();
  round.seconds = static_cast<double>(monotonic_ns() - start_ns) * 1e-9;
  settle_timeline(timeline, session.communicator(), session.stream());
  round.time = timeline.split(round.seconds);
  return round;
}

/// Milliseconds per step of one rank, by where they go, as summaries over the rounds.
Json rank_step_times(const std::vector<Round>& rounds, std::int64_t steps) {
  const auto over_rounds = [&](auto seconds_of) {
    std::vector<double> values;
    for (const Round& round : rounds) values.push_back(1e3 * seconds_of(round) / static_cast<double>(steps));
    return summary(values);
  };
  return {{"step", over_rounds([](const Round& r) { return r.seconds; })},
          {"compute", over_rounds([](const Round& r) { return r.time.compute_seconds; })},
          {"exposed_communication",
           over_rounds([](const Round& r) { return r.time.exposed_communication_seconds; })},
          {"wait", over_rounds([](const Round& r) { return r.time.wait_seconds; })},
          {"exposed_communication_and_wait", over_rounds([](const Round& r) {
             return r.time.exposed_communication_seconds + r.time.wait_seconds;
           })},
          {"other", over_rounds([](const Round& r) { return r.time.other_seconds; })}};
}

std::string median_and_spread(const Json& figure, int digits) {
  return decimal(figure["median"], digits) + " (p10 " + decimal(figure["p10"], digits) + ", p90 " +
         decimal(figure["p90"], digits) + ")";
}

void print_result(const Json& json) {
  std::string text = "steps/s      " + median_and_spread(json["steps_per_second"], 1) + "\nsamples/s    " +
                     median_and_spread(json["samples_per_second_spread"], 0) +
                     "\n\nmilliseconds per step, median over rounds\n";
  std::vector<std::vector<std::string>> rows{{"rank", "step", "compute", "communication", "wait", "other"}};
  for (std::size_t r = 0; r < json["rank_step_milliseconds"].size(); ++r) {
    const Json& rank = json["rank_step_milliseconds"][r];
    std::vector<std::string> row{std::to_string(r)};
    for (const char* part : {"step", "compute", "exposed_communication", "wait", "other"}) {
      row.push_back(decimal(rank[part]["median"], 3));
    }
    rows.push_back(row);
  }
  std::fputs((text + aligned_table(rows, 1)).c_str(), stdout);
}

}  // namespace

int run_benchmark(const Invocation& invocation, const RankContext& context) {
  const BenchmarkOptions& options = invocation.benchmark;
  RankRun run(invocation, context);
  Session& session = run.session();
  Progress progress(run.is_rank_zero() ? Progress::style_for_stderr(invocation.quiet)
                                       : Progress::Style::none);
  progress.message(run.headline());
  const double setup_seconds = run.elapsed_seconds();

  StepSource source(session);
  source.run(options.warmup_steps);
  std::vector<Round> rounds;
  for (int i = 0; i < options.rounds; ++i) {
    rounds.push_back(run_round(session, source, options.steps));
    report_progress(context, source.step());
    progress.message("round " + std::to_string(i + 1) + "/" + std::to_string(options.rounds) + "  " +
                     decimal(static_cast<double>(options.steps) / rounds.back().seconds, 1) + " steps/s");
  }

  TimeSplit total;
  double train_seconds = 0;
  std::vector<double> steps_per_second, samples_per_second;
  for (const Round& round : rounds) {
    train_seconds += round.seconds;
    total.compute_seconds += round.time.compute_seconds;
    total.exposed_communication_seconds += round.time.exposed_communication_seconds;
    total.wait_seconds += round.time.wait_seconds;
    total.other_seconds += round.time.other_seconds;
    steps_per_second.push_back(static_cast<double>(options.steps) / round.seconds);
    samples_per_second.push_back(static_cast<double>(round.samples) / round.seconds);
  }
  Measurements measurements;
  measurements.steps = source.step();
  measurements.setup_seconds = setup_seconds;
  measurements.train_seconds = train_seconds;
  measurements.samples_per_second = summary(samples_per_second)["median"].get<double>();
  measurements.ranks = gather_rank_times(run, total);
  measurements.straggler =
      find_straggler(measurements.ranks, options.steps * static_cast<std::int64_t>(rounds.size()));
  const std::vector<std::string> step_times =
      gather_texts(session.communicator(), session.stream(), rank_step_times(rounds, options.steps).dump());
  if (!run.is_rank_zero()) return 0;

  Json json = result_json(run, measurements);
  json["warmup_steps"] = options.warmup_steps;
  json["steps_per_round"] = options.steps;
  json["rounds"] = options.rounds;
  json["steps_per_second"] = summary(steps_per_second);
  json["samples_per_second_spread"] = summary(samples_per_second);
  json["rank_step_milliseconds"] = Json::array();
  for (const std::string& text : step_times) json["rank_step_milliseconds"].push_back(Json::parse(text));
  json["kernels"] = session.description();
  if (invocation.json) {
    std::puts(json_text(json).c_str());
  } else {
    print_result(json);
  }
  return 0;
}

}  // namespace dml
