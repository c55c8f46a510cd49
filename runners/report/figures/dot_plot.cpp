#include "runners/report/figures/dot_plot.h"

#include <array>

#include "runners/report/figures/parts.h"
#include "runners/report/figures/row_frame.h"
#include "runners/report/palette.h"

namespace dml::report {
namespace {

// Above and below the mean in turn, so that seeds with the same value stay apart and clear of the interval.
constexpr std::array<double, 8> kJitter = {-8, 8, -11, 11, -6.5, 6.5, -9.5, 9.5};

std::string mean_label(const DotPlotArm& arm) {
  return arm.value.empty() || !is_measured(arm.mean) ? value_text(arm.mean) : arm.value;
}

bool is_known(const std::optional<Interval>& interval) {
  return interval && is_measured(interval->low) && is_measured(interval->high);
}

Range range_of(const DotPlot& plot) {
  Range range;
  for (const DotPlotArm& arm : plot.arms) {
    range.include(arm.mean);
    for (const double seed : arm.seeds) range.include(seed);
    if (is_known(arm.interval)) {
      range.include(arm.interval->low);
      range.include(arm.interval->high);
    }
  }
  if (!range.empty() && plot.reference) range.include(plot.reference->value);
  return range.padded(0.04);
}

void draw_arm(SvgWriter& writer, const DotPlotArm& arm, const Scale& scale, double y) {
  const std::string color = " " + arm_class(arm.color);
  if (is_known(arm.interval)) {
    writer.line(scale.at(arm.interval->low), y, scale.at(arm.interval->high), y, "interval" + color);
  }
  for (std::size_t i = 0; i < arm.seeds.size(); ++i) {
    if (!is_measured(arm.seeds[i])) continue;
    writer.circle(scale.at(arm.seeds[i]), y + kJitter.at(i % kJitter.size()), 3, "seed" + color,
                  arm.name + ", seed " + std::to_string(i) + ": " + value_text(arm.seeds[i]));
  }
  if (is_measured(arm.mean)) {
    const std::string mean = arm_is_dashed(arm.color) ? "hollow" : "mean";
    writer.circle(scale.at(arm.mean), y, 6, mean + color, arm.name + ", mean: " + mean_label(arm));
  }
}

}  // namespace

Svg dot_plot(const DotPlot& plot, double width) {
  if (plot.arms.empty()) return empty_figure(plot.label, width);
  std::vector<FrameRow> rows;
  for (const DotPlotArm& arm : plot.arms) {
    rows.push_back({arm.name, mean_label(arm), is_measured(arm.mean)});
  }
  const RowFrame frame(std::move(rows), {.axis = plot.axis,
                                         .width = width,
                                         .row_height = 38,
                                         .range = range_of(plot),
                                         .reference = plot.reference});
  SvgWriter writer;
  const double height = frame.draw(writer);
  for (std::size_t i = 0; i < plot.arms.size(); ++i) {
    draw_arm(writer, plot.arms[i], frame.scale(), frame.middle(i));
  }
  return std::move(writer).finish(width, height, plot.label);
}

}  // namespace dml::report
