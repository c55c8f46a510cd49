#include "runners/study/report_figures.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "kernels/base/file.h"
#include "runners/report/figures/bars.h"
#include "runners/report/figures/dot_plot.h"
#include "runners/report/figures/heat_map.h"
#include "runners/report/figures/line_plot.h"
#include "runners/report/figures/stacked_bars.h"
#include "runners/report/figures/timeline.h"
#include "runners/text.h"

namespace dml {
namespace {

using report::Figure;
using report::TableBlock;

constexpr std::int64_t kMostTraceBytes = std::int64_t{1} << 28U;
constexpr std::int64_t kTimelineSteps = 3;

report::Interval shown(const Interval& interval) {
  return {interval.low, interval.high};
}

std::optional<report::Interval> shown(const std::optional<Interval>& interval) {
  return interval ? std::optional(shown(*interval)) : std::nullopt;
}

/// One curve an arm, with its band over the seeds.
std::optional<report::LinePlot> curves(const ComparisonSummary& comparison,
                                       const std::vector<CurvePoint> ArmSummary::*curve) {
  report::LinePlot plot;
  for (std::size_t i = 0; i < comparison.arms.size(); ++i) {
    const ArmSummary& arm = comparison.arms[i];
    if ((arm.*curve).empty()) continue;
    report::LineSeries series{.name = arm.name, .color = i, .points = {}};
    for (const CurvePoint& point : arm.*curve) {
      series.points.push_back({point.x, point.y.mean, shown(point.y.interval)});
    }
    plot.series.push_back(std::move(series));
  }
  return plot.series.empty() ? std::nullopt : std::optional(std::move(plot));
}

/// The last value of each curve.
TableBlock last_points(const report::LinePlot& plot, const std::string& x, const std::string& y) {
  TableBlock table{.header = {"arm", x, y}, .rows = {}, .number_columns = {1, 2}};
  for (const report::LineSeries& series : plot.series) {
    table.rows.push_back({series.name, report::value_text(series.points.back().x),
                          report::value_text(series.points.back().y)});
  }
  return table;
}

report::Activity activity_of(const std::string& category) {
  if (category == "compute") return report::Activity::compute;
  return category == "wait" ? report::Activity::wait : report::Activity::communication;
}

/// A few steps from the middle of a trace, from where the first of them begins.
std::optional<report::TimelineMode> read_timeline(const std::string& path, const std::string& name) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const std::vector<std::uint8_t> bytes = read_file(path, kMostTraceBytes);
  const nlohmann::json trace = nlohmann::json::parse(bytes.begin(), bytes.end(), nullptr, false);
  if (!trace.is_object()) return std::nullopt;
  std::set<std::int64_t> steps;
  for (const nlohmann::json& event : trace.at("traceEvents")) {
    if (event.at("ph") == "X") steps.insert(event.at("args").at("step").get<std::int64_t>());
  }
  if (steps.size() < 3) return std::nullopt;
  const std::int64_t first = *std::next(steps.begin(), static_cast<std::ptrdiff_t>(steps.size() / 2));
  double origin_us = std::numeric_limits<double>::max();
  report::TimelineMode mode{.name = name, .lanes = {}};
  const auto is_shown = [&](const nlohmann::json& event) {
    if (event.at("ph") != "X") return false;
    const std::int64_t step = event.at("args").at("step");
    return step >= first && step < first + kTimelineSteps;
  };
  for (const nlohmann::json& event : trace.at("traceEvents")) {
    if (is_shown(event)) origin_us = std::min(origin_us, event.at("ts").get<double>());
  }
  for (const nlohmann::json& event : trace.at("traceEvents")) {
    if (!is_shown(event)) continue;
    const auto rank = event.at("pid").get<std::size_t>();
    while (mode.lanes.size() <= rank) mode.lanes.push_back({"rank " + std::to_string(mode.lanes.size()), {}});
    const double start_ms = (event.at("ts").get<double>() - origin_us) * 1e-3;
    mode.lanes[rank].intervals.push_back(
        {start_ms, start_ms + event.at("dur").get<double>() * 1e-3, activity_of(event.at("cat")),
         event.at("name").get<std::string>() + ", step " +
             std::to_string(event.at("args").at("step").get<std::int64_t>())});
  }
  return mode;
}

bool has_partition(const ArmSummary& arm) {
  return arm.result.is_object() && arm.result.contains("partition") && arm.result.at("partition").is_object();
}

}  // namespace

std::optional<Figure> accuracy_figure(const ComparisonSummary& comparison) {
  report::DotPlot plot{
      .label = "Test accuracy of each arm and seed", .axis = "test accuracy (%)", .arms = {}};
  TableBlock table{.header = {"arm", "mean, %", "95 % interval"}, .rows = {}, .number_columns = {1, 2}};
  for (std::size_t i = 0; i < comparison.arms.size(); ++i) {
    const ArmSummary& arm = comparison.arms[i];
    report::DotPlotArm row{.name = arm.name, .color = i};
    for (const auto& value : arm.accuracy) {
      if (value) row.seeds.push_back(*value);
    }
    if (const auto mean = over_seeds(arm.accuracy)) {
      row.mean = mean->mean;
      row.interval = shown(mean->interval);
      row.value = decimal(mean->mean, 2) + " %";
      table.rows.push_back({arm.name, decimal(mean->mean, 2),
                            mean->interval
                                ? decimal(mean->interval->low, 2) + " to " + decimal(mean->interval->high, 2)
                                : ""});
    }
    plot.arms.push_back(std::move(row));
  }
  if (table.rows.empty()) return std::nullopt;
  const ArmSummary& baseline = comparison.arms[comparison.baseline];
  if (const auto mean = over_seeds(baseline.accuracy); mean && comparison.arms.size() > 1) {
    plot.reference = {mean->mean, "mean of " + baseline.name};
  }
  return Figure{
      .id = comparison.name + "-accuracy",
      .title = "Test accuracy",
      .drawing = report::draw(report::dot_plot, plot),
      .how_to_read =
          "Each small dot is one seed, the large one their mean, the line its 95 % confidence interval. "
          "Intervals of single arms are wider than those of differences, because all arms have the same "
          "seeds: judge differences by the table, not by overlap.",
      .command = {},
      .table = std::move(table)};
}

std::optional<Figure> time_figure(const ComparisonSummary& comparison) {
  report::StackedBars plot{
      .label = "Where each rank's training time goes", .axis = "share of training time", .groups = {}};
  TableBlock table{.header = {"arm", "rank", "compute", "communication", "wait", "other"},
                   .rows = {},
                   .number_columns = {1, 2, 3, 4, 5}};
  for (const ArmSummary& arm : comparison.arms) {
    if (arm.ranks.empty()) continue;
    report::StackedBarGroup group{.name = arm.name, .bars = {}};
    for (std::size_t r = 0; r < arm.ranks.size(); ++r) {
      const RankSummary& rank = arm.ranks[r];
      group.bars.push_back(
          {"rank " + std::to_string(r), rank.compute, rank.communication, rank.wait, rank.other});
      table.rows.push_back({arm.name, std::to_string(r), percent(rank.compute, 1),
                            percent(rank.communication, 1), percent(rank.wait, 1), percent(rank.other, 1)});
    }
    plot.groups.push_back(std::move(group));
  }
  if (plot.groups.empty()) return std::nullopt;
  return Figure{.id = comparison.name + "-time-split",
                .title = "Where each rank's time goes",
                .drawing = report::draw(report::stacked_bars, plot),
                .how_to_read =
                    "A bar is all of a rank's training time, mean over the seeds. Communication is what no "
                    "computation hid; wait is for other ranks, so it shows on the ranks that are not slow.",
                .command = {},
                .table = std::move(table)};
}

std::optional<Figure> loss_figure(const ComparisonSummary& comparison) {
  auto plot = curves(comparison, &ArmSummary::loss_by_step);
  if (!plot) return std::nullopt;
  plot->label = "Training loss by step";
  plot->x_axis = "updates";
  plot->y_axis = "training loss (log scale)";
  plot->y_scale = report::LinePlot::Scale::logarithmic;
  return Figure{.id = comparison.name + "-loss",
                .title = "Training loss",
                .drawing = report::draw(report::line_plot, *plot),
                .how_to_read =
                    "Mean over blocks of 100 updates and over the seeds; the band is the 95 % confidence "
                    "interval of the mean at each point. Arms that learn alike lie on one line; arms with "
                    "larger updates make fewer of them.",
                .command = {},
                .table = last_points(*plot, "updates", "last training loss")};
}

std::optional<Figure> accuracy_curve_figure(const ComparisonSummary& comparison) {
  auto plot = curves(comparison, &ArmSummary::accuracy_by_epoch);
  if (!plot) return std::nullopt;
  const bool several = std::any_of(plot->series.begin(), plot->series.end(),
                                   [](const report::LineSeries& series) { return series.points.size() > 1; });
  if (!several) return std::nullopt;
  plot->label = "Test accuracy by epoch";
  plot->x_axis = "epochs";
  plot->y_axis = "test accuracy (%)";
  plot->markers = true;
  return Figure{.id = comparison.name + "-accuracy-curve",
                .title = "Test accuracy after each epoch",
                .drawing = report::draw(report::line_plot, *plot),
                .how_to_read = "Mean over the seeds with its 95 % confidence interval.",
                .command = {},
                .table = last_points(*plot, "epochs", "last test accuracy, %")};
}

std::optional<Figure> speed_figure(const StudySummary& study, const ComparisonSummary& comparison) {
  report::Bars plot{.label = "Speed-up over a single process on as many cores",
                    .axis = "speed-up over single on the same cores",
                    .bars = {},
                    .reference = report::ReferenceLine{1, "single"}};
  TableBlock table{.header = {"arm", "samples/s, median", "p10 to p90", "speed-up", "against", "efficiency"},
                   .rows = {},
                   .number_columns = {1, 2, 3, 5}};
  bool any = false;
  for (std::size_t i = 0; i < comparison.arms.size(); ++i) {
    const ArmSummary& arm = comparison.arms[i];
    std::vector<double> speeds;
    for (const auto& speed : arm.samples_per_second) {
      if (speed) speeds.push_back(*speed);
    }
    if (speeds.empty()) continue;
    double compute = 0;
    for (const RankSummary& rank : arm.ranks) compute += rank.compute / static_cast<double>(arm.ranks.size());
    const auto gain = speed_up(study, arm);
    report::Bar bar{.name = arm.name, .color = i};
    if (gain) {
      any = true;
      bar.value = median(gain->by_seed);
      bar.text = decimal(bar.value, 2) + "x";
      const Spread range = spread(gain->by_seed);
      if (gain->by_seed.size() > 1) bar.interval = report::Interval{range.p10, range.p90};
    }
    plot.bars.push_back(std::move(bar));
    const Spread range = spread(speeds);
    const auto whole = [](double value) { return with_thousands(static_cast<std::int64_t>(value)); };
    table.rows.push_back({arm.name, whole(median(speeds)), whole(range.p10) + " to " + whole(range.p90),
                          gain ? decimal(median(gain->by_seed), 2) + "x" : "", gain ? gain->against : "",
                          percent(compute, 0)});
  }
  if (table.rows.empty()) return std::nullopt;
  table.caption = "Efficiency: the share of the ranks' time that is computation.";
  return Figure{
      .id = comparison.name + "-speed",
      .title = any ? "Speed-up" : "Speed",
      .drawing = any ? report::draw(report::bars, plot) : report::Drawing{},
      .how_to_read = any ? "Samples per second over those of one process that has all the cores, seed by "
                           "seed; the bar is "
                           "the median, the line the middle four fifths. 1 is what splitting has to beat."
                         : "The study has no single run with as many cores, so there is no speed-up to show.",
      .command = {},
      .table = std::move(table)};
}

std::optional<Figure> timeline_figure(const StudySummary& study, const ComparisonSummary& comparison) {
  report::Timeline plot{.label = "What each rank does in a few steps", .modes = {}};
  std::set<std::string> drawn;
  for (const ArmSummary& arm : comparison.arms) {
    for (const std::string& id : arm.run_ids) {
      const std::string folder = id == "run" ? study.directory : study.directory + "/runs/" + id;
      auto mode = read_timeline(folder + "/trace.json", arm.name);
      if (!mode) continue;
      if (drawn.insert(id).second) plot.modes.push_back(std::move(*mode));
      break;
    }
  }
  if (plot.modes.empty()) return std::nullopt;
  return Figure{.id = comparison.name + "-timeline",
                .title = "A few steps as they were",
                .drawing = report::draw(report::timeline, plot),
                .how_to_read =
                    "Three consecutive steps from the end of each arm's first run, all on one scale of time: "
                    "what a rank "
                    "computes, what it communicates without computing, and when it waits.",
                .command = {},
                .table = std::nullopt};
}

std::optional<Figure> bytes_figure(const ComparisonSummary& comparison) {
  report::Bars plot{.label = "Bytes on the wire", .axis = "KB sent per step, all ranks", .bars = {}};
  TableBlock table{
      .header = {"arm", "KB per step, all ranks", "of each rank"}, .rows = {}, .number_columns = {1, 2}};
  bool any = false;
  for (std::size_t i = 0; i < comparison.arms.size(); ++i) {
    const ArmSummary& arm = comparison.arms[i];
    double sum = 0;
    std::string each;
    bool known = !arm.ranks.empty();
    for (const RankSummary& rank : arm.ranks) {
      known = known && rank.bytes_per_step.has_value();
      if (!known) break;
      sum += *rank.bytes_per_step / 1000;
      each += (each.empty() ? "" : ", ") + decimal(*rank.bytes_per_step / 1000, 1);
    }
    if (!known) continue;
    any = any || sum > 0;
    plot.bars.push_back({.name = arm.name, .color = i, .value = sum, .text = decimal(sum, 1)});
    table.rows.push_back({arm.name, decimal(sum, 1), each});
  }
  if (!any) return std::nullopt;
  return Figure{.id = comparison.name + "-bytes",
                .title = "Bytes on the wire",
                .drawing = report::draw(report::bars, plot),
                .how_to_read =
                    "A step is one update. Counted where messages are handed to the network (1 KB = 1000 "
                    "bytes), in training alone, "
                    "mean over the steps of a run. Combining gradients sends each of them; averaging after "
                    "local steps sends "
                    "weights and the optimizer's state.",
                .command = {},
                .table = std::move(table)};
}

std::optional<Figure> partition_figure(const ComparisonSummary& comparison) {
  report::HeatMap map{.label = "Which replica sees how much of which class",
                      .rows = "replica",
                      .columns = "class",
                      .unit = "samples",
                      .panels = {}};
  std::set<std::string> drawn;
  for (const ArmSummary& arm : comparison.arms) {
    if (!has_partition(arm)) continue;
    const nlohmann::json& shares = arm.result.at("partition").at("shares");
    if (shares.size() < 2 || !drawn.insert(shares.dump()).second) continue;  // arms may share a partition
    report::HeatMapPanel panel{.name = arm.result.value("sampler", arm.name), .counts = {}};
    for (const nlohmann::json& share : shares) {
      panel.counts.push_back(share.at("classes").get<std::vector<double>>());
    }
    map.panels.push_back(std::move(panel));
  }
  if (map.panels.empty()) return std::nullopt;
  return Figure{
      .id = comparison.name + "-partition",
      .title = "Who sees which classes",
      .drawing = report::draw(report::heat_map, map),
      .how_to_read =
          "Samples of each class that each replica is given in the first epoch of the first seed, one "
          "panel for each partition that differs. Even rows: every replica sees the whole problem.",
      .command = {},
      .table = std::nullopt};
}

std::optional<TableBlock> partition_table(const ComparisonSummary& comparison) {
  TableBlock table{
      .header = {"arm", "steps an epoch", "never seen", "in several replicas", "effective samples",
                 "samples of each replica", "distance from all labels", "idle"},
      .rows = {},
      .number_columns = {1, 2, 3, 4, 5, 6, 7}};
  for (const ArmSummary& arm : comparison.arms) {
    if (!has_partition(arm)) continue;
    const nlohmann::json& card = arm.result.at("partition");
    std::string samples, distance, idle;
    for (const nlohmann::json& share : card.at("shares")) {
      const char* comma = samples.empty() ? "" : ", ";
      samples += comma + with_thousands(share.at("samples").get<std::int64_t>());
      distance += comma + decimal(share.at("label_distance"), 3);
      idle += comma + percent(share.at("idle"), 0);
    }
    const double all =
        card.at("once").get<double>() + card.at("repeated").get<double>() + card.at("never").get<double>();
    const auto share_of = [&](const char* key) { return percent(card.at(key).get<double>() / all, 1); };
    table.rows.push_back(
        {arm.name, with_thousands(card.at("steps").get<std::int64_t>()), share_of("never"),
         share_of("shared"),
         with_thousands(static_cast<std::int64_t>(card.at("effective_samples").get<double>())), samples,
         distance, idle});
  }
  if (table.rows.empty()) return std::nullopt;
  table.caption =
      "First epoch, first seed. Distance: Jensen-Shannon distance of a replica's labels from those of the "
      "data set, 0 "
      "(alike) to 1. Idle: positions without a sample while the longest list lasts. Effective samples: "
      "Kish's size, "
      "smaller than the data set where samples repeat.";
  return table;
}

}  // namespace dml
