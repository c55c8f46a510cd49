#include "runners/report/figures/dot_plot.h"

#include <algorithm>
#include <array>

#include "runners/report/figures/parts.h"
#include "runners/report/figures/row_frame.h"
#include "runners/report/palette.h"

namespace dml::report {
namespace {

// Above and below the mean in turn, so that seeds with the same value stay apart and clear of the interval.
constexpr std::array<double, 8> kJitter = {-10, 10, -13, 13, -8.5, 8.5, -11.5, 11.5};

/// The labels given, and for the other arms their means with as many decimals as each other.
std::vector<std::string> mean_labels(const DotPlot& plot) {
  std::vector<double> means;
  for (const DotPlotArm& arm : plot.arms) means.push_back(arm.mean);
  std::vector<std::string> labels = value_column(means);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const DotPlotArm& arm = plot.arms[i];
    if (is_measured(arm.mean) && !arm.value.empty()) labels[i] = arm.value;
  }
  return labels;
}

bool has_anything(const DotPlotArm& arm) {
  return is_measured(arm.mean) || is_measured(arm.interval) ||
         std::any_of(arm.seeds.begin(), arm.seeds.end(), [](double seed) { return is_measured(seed); });
}

Range range_of(const DotPlot& plot) {
  Range range;
  for (const DotPlotArm& arm : plot.arms) {
    range.include(arm.mean);
    for (const double seed : arm.seeds) range.include(seed);
    if (is_measured(arm.interval)) {
      range.include(arm.interval->low);
      range.include(arm.interval->high);
    }
  }
  if (!range.empty() && plot.reference) range.include(plot.reference->value);
  return range.padded(0.04);
}

void draw_arm(SvgWriter& writer, const DotPlotArm& arm, const std::string& label, const Scale& scale,
              double y) {
  const std::string color = " " + arm_class(arm.color);
  if (is_measured(arm.interval)) {
    writer.line(scale.at(arm.interval->low), y, scale.at(arm.interval->high), y, "interval" + color);
  }
  for (std::size_t i = 0; i < arm.seeds.size(); ++i) {
    if (!is_measured(arm.seeds[i])) continue;
    writer.circle(scale.at(arm.seeds[i]), y + kJitter.at(i % kJitter.size()), 3, "seed" + color,
                  arm.name + ", seed " + std::to_string(i) + ": " + value_text(arm.seeds[i]));
  }
  if (is_measured(arm.mean)) {
    const std::string mean = arm_is_dashed(arm.color) ? "hollow" : "mean";
    writer.circle(scale.at(arm.mean), y, 5.5, mean + color, arm.name + ", mean: " + label);
  }
}

}  // namespace

Svg dot_plot(const DotPlot& plot, double width) {
  if (plot.arms.empty()) return empty_figure(plot.label, width);
  std::vector<FrameRow> rows;
  const std::vector<std::string> labels = mean_labels(plot);
  for (std::size_t i = 0; i < plot.arms.size(); ++i) {
    const DotPlotArm& arm = plot.arms[i];
    rows.push_back({arm.name, labels[i], is_measured(arm.mean), has_anything(arm)});
  }
  const RowFrame frame(rows, {.axis = plot.axis,
                              .width = width,
                              .row_height = 38,
                              .range = range_of(plot),
                              .reference = plot.reference});
  SvgWriter writer;
  const double height = frame.draw(writer);
  for (std::size_t i = 0; i < plot.arms.size(); ++i) {
    draw_arm(writer, plot.arms[i], labels[i], frame.scale(), frame.middle(i));
  }
  return std::move(writer).finish(width, height, plot.label);
}

}  // namespace dml::report
