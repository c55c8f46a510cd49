#include "runners/report/figures/bars.h"

#include <algorithm>

#include "runners/report/figures/parts.h"
#include "runners/report/figures/row_frame.h"
#include "runners/report/palette.h"

namespace dml::report {
namespace {

constexpr double kThickness = 16;
constexpr double kWhiskerEnd = 4;

/// The labels given, and for the other bars their values with as many decimals as each other.
std::vector<std::string> bar_labels(const Bars& plot) {
  std::vector<double> values;
  for (const Bar& bar : plot.bars) values.push_back(bar.value);
  std::vector<std::string> labels = value_column(values);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Bar& bar = plot.bars[i];
    if (is_measured(bar.value) && !bar.text.empty()) labels[i] = bar.text;
  }
  return labels;
}

/// From zero, with a little air at the ends that are not zero.
Range range_of(const Bars& plot) {
  Range range;
  for (const Bar& bar : plot.bars) {
    range.include(bar.value);
    if (is_measured(bar.interval)) {
      range.include(bar.interval->low);
      range.include(bar.interval->high);
    }
  }
  if (range.empty()) return range;
  if (plot.reference) range.include(plot.reference->value);
  range.include(0);
  Range from_zero;
  const double air = 0.04 * (range.high() - range.low());
  from_zero.include(range.low() < 0 ? range.low() - air : 0);
  from_zero.include(range.high() > 0 ? range.high() + air : 0);
  if (from_zero.low() == from_zero.high()) from_zero.include(1);
  return from_zero;
}

void draw_bar(SvgWriter& writer, const Bar& bar, const std::string& label, const Scale& scale, double y) {
  if (!is_measured(bar.value)) return;
  const double zero = scale.at(0);
  const double end = scale.at(bar.value);
  const std::string fill = arm_is_dashed(bar.color) ? "hatched " : "fill ";
  writer.rect(std::min(zero, end), y - kThickness / 2, std::abs(end - zero), kThickness,
              fill + arm_class(bar.color), bar.name + ": " + label);
  if (!is_measured(bar.interval)) return;
  const double low = scale.at(bar.interval->low);
  const double high = scale.at(bar.interval->high);
  for (const std::string stroke : {"halo", "whisker"}) {
    writer.line(low, y, high, y, stroke);
    for (const double x : {low, high}) writer.line(x, y - kWhiskerEnd, x, y + kWhiskerEnd, stroke);
  }
}

}  // namespace

Svg bars(const Bars& plot, double width) {
  if (plot.bars.empty()) return empty_figure(plot.label, width);
  std::vector<FrameRow> rows;
  const std::vector<std::string> labels = bar_labels(plot);
  for (std::size_t i = 0; i < plot.bars.size(); ++i) {
    const bool measured = is_measured(plot.bars[i].value);
    rows.push_back({plot.bars[i].name, labels[i], measured, measured});
  }
  const Range range = range_of(plot);
  const RowFrame frame(
      rows,
      {.axis = plot.axis, .width = width, .row_height = 30, .range = range, .reference = plot.reference});
  SvgWriter writer;
  const double height = frame.draw(writer);
  for (std::size_t i = 0; i < plot.bars.size(); ++i) {
    draw_bar(writer, plot.bars[i], labels[i], frame.scale(), frame.middle(i));
  }
  if (!range.empty()) {
    const double zero = frame.scale().at(0);
    for (const Span& span : frame.spans()) writer.line(zero, span.top, zero, span.bottom, "axis");
  }
  return std::move(writer).finish(width, height, plot.label);
}

}  // namespace dml::report
