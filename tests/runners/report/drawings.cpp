#include "tests/runners/report/drawings.h"

#include <cmath>
#include <limits>

#include "runners/report/figures/bars.h"
#include "runners/report/figures/dot_plot.h"
#include "runners/report/figures/heat_map.h"
#include "runners/report/figures/line_plot.h"
#include "runners/report/figures/stacked_bars.h"
#include "runners/report/figures/timeline.h"
#include "runners/report/text_size.h"

namespace dml::report {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Values {
  std::string name;
  std::vector<double> values;
};

std::vector<Values> nasty_values() {
  return {{"none", {}},
          {"one", {0.5}},
          {"equal", {3, 3, 3}},
          {"zeros", {0, 0}},
          {"all missing", {kNotMeasured, kNotMeasured}},
          {"some missing", {1, kNotMeasured, kInfinity, -kInfinity, 2}},
          {"negative", {-5, -0.02, 3}},
          {"all negative", {-5, -4}},
          {"huge", {1e12, -3e13, 2e299}},
          {"tiny", {1e-9, 2e-9, 1.5e-300}},
          {"close", {87.31, 87.32, 87.33}},
          {"many", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}};
}

/// Names of up to 40 characters, some of them without a place to break.
std::string arm_name(std::size_t arm) {
  const std::vector<std::string> names = {"single", "data-parallel, allgather, dirichlet:a=0.1",
                                          "MWMWMWMWMWMWMWMWMWMWMWMWMWMWMWMWMWMWMWMW", "<b>&\"'</b>"};
  return names[arm % names.size()];
}

DotPlot dots(const Values& some) {
  DotPlot plot{.label = some.name, .axis = "test accuracy after some epochs of training (%)", .arms = {}};
  for (std::size_t i = 0; i < some.values.size(); ++i) {
    const double value = some.values[i];
    DotPlotArm arm{
        .name = arm_name(i), .color = i, .seeds = {value, 0.9 * value, kNotMeasured}, .mean = value};
    if (i % 2 == 1) arm.interval = Interval{value - 0.1, value + 0.1};
    plot.arms.push_back(arm);
  }
  if (some.values.size() > 1) plot.reference = ReferenceLine{some.values.back(), "mean of " + arm_name(1)};
  return plot;
}

Bars bar_plot(const Values& some) {
  Bars plot{.label = some.name, .axis = "speed-up", .bars = {}, .reference = ReferenceLine{1, "as fast"}};
  for (std::size_t i = 0; i < some.values.size(); ++i) {
    const double value = some.values[i];
    Bar bar{.name = arm_name(i), .color = i, .value = value};
    if (i % 2 == 1) bar.interval = Interval{0.9 * value, 1.1 * value};
    plot.bars.push_back(bar);
  }
  return plot;
}

StackedBars stack(const Values& some, StackedBars::Unit unit) {
  StackedBars plot{.label = some.name, .axis = "time", .unit = unit, .groups = {}};
  for (std::size_t i = 0; i < some.values.size(); ++i) {
    const double value = some.values[i];
    plot.groups.push_back({arm_name(i), {{"rank 0", value, value / 2, kNotMeasured, 0}, {"rank 1"}}});
  }
  return plot;
}

LinePlot lines(const Values& some, LinePlot::Scale scale) {
  LinePlot plot{.label = some.name, .x_axis = "time (s)", .y_axis = "loss", .y_scale = scale, .series = {}};
  for (std::size_t s = 0; s < some.values.size(); ++s) {
    LineSeries series{arm_name(s), s, {}};
    for (std::size_t i = 0; i <= s; ++i) {
      const double y = some.values[i];
      series.points.push_back({static_cast<double>(i), y, Interval{0.9 * y, 1.1 * y}});
    }
    plot.series.push_back(series);
  }
  return plot;
}

Timeline lanes(const Values& some) {
  Timeline plot{.label = some.name, .modes = {}};
  for (std::size_t i = 0; i < some.values.size(); ++i) {
    const double start_ms = some.values[i];
    const double end_ms = start_ms + std::abs(start_ms) / 2;
    plot.modes.push_back(
        {arm_name(i), {{"rank 0", {{start_ms, end_ms, Activity::wait, "step"}}}, {"rank 1", {}}}});
  }
  return plot;
}

HeatMap matrix(const Values& some) {
  HeatMap map{.label = some.name, .rows = "replica", .columns = "class", .unit = "samples", .panels = {}};
  for (std::size_t i = 0; i < some.values.size(); ++i) {
    map.panels.push_back({arm_name(i), {some.values, {some.values[i]}}});
  }
  return map;
}

HeatMap tall_matrix() {
  HeatMap map{.label = "tall", .rows = "replica", .columns = "class", .unit = "samples", .panels = {}};
  map.panels.push_back({"shards", std::vector<std::vector<double>>(64, std::vector<double>(10, 60000))});
  return map;
}

}  // namespace

Element parse_svg(const Svg& svg) {
  return parse_xml(inline_svg(svg));
}

std::vector<TextBox> text_boxes(const Element& svg) {
  std::vector<TextBox> boxes;
  for (const Element& text : all_named(svg, "text")) {
    const double size = text.number("font-size");
    const double width = text_width(text.text, size, text.attribute("font-weight") == "600");
    const std::string anchor = text.attribute("text-anchor");
    const double before = anchor == "end" ? width : anchor == "middle" ? width / 2 : 0;
    const double left = text.number("x") - before;
    const double y = text.number("y");
    boxes.push_back(
        {text.text, left, left + width, y - 0.75 * size, y + 0.2 * size, text.attribute("class")});
  }
  return boxes;
}

std::string all_text(const Element& svg) {
  std::string text;
  for (const Element& element : all_named(svg, "text")) text += element.text + " ";
  return text;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<NamedDrawing> every_kind_of_drawing() {
  std::vector<NamedDrawing> drawings;
  for (const double width : {kWide, kNarrow}) {
    for (const Values& some : nasty_values()) {
      const std::string name = some.name + (width == kWide ? ", wide" : ", narrow");
      drawings.push_back({"dot plot: " + name, dot_plot(dots(some), width)});
      drawings.push_back({"bars: " + name, bars(bar_plot(some), width)});
      drawings.push_back({"shares: " + name, stacked_bars(stack(some, StackedBars::Unit::share), width)});
      drawings.push_back({"seconds: " + name, stacked_bars(stack(some, StackedBars::Unit::seconds), width)});
      drawings.push_back({"lines: " + name, line_plot(lines(some, LinePlot::Scale::linear), width)});
      drawings.push_back(
          {"logarithmic: " + name, line_plot(lines(some, LinePlot::Scale::logarithmic), width)});
      drawings.push_back({"timeline: " + name, timeline(lanes(some), width)});
      drawings.push_back({"heat map: " + name, heat_map(matrix(some), width)});
    }
    drawings.push_back({"tall heat map", heat_map(tall_matrix(), width)});
  }
  return drawings;
}

}  // namespace dml::report
