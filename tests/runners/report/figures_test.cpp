// Each figure draws what it was given, where it belongs.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "runners/report/figures/bars.h"
#include "runners/report/figures/dot_plot.h"
#include "runners/report/figures/heat_map.h"
#include "runners/report/figures/line_plot.h"
#include "runners/report/figures/stacked_bars.h"
#include "runners/report/figures/timeline.h"
#include "tests/runners/report/drawings.h"

namespace dml::report {
namespace {

constexpr double kRounding = 0.011;  // of coordinates, which have two decimals

std::vector<double> numbers(const std::vector<Element>& elements, const std::string& key) {
  std::vector<double> values;
  for (const Element& element : elements) values.push_back(element.number(key));
  return values;
}

DotPlot three_arms() {
  return {.label = "accuracy",
          .axis = "accuracy (%)",
          .arms = {{"low", 0, {80.5, 81.5}, 81, Interval{80, 82}, "81.00 %"},
                   {"high", 1, {90, 91, 92}, 91, Interval{90.5, 91.5}, "91.00 %"},
                   {"once", 2, {85}, 85}},
          .reference = ReferenceLine{81, "mean of low"}};
}

TEST(DotPlotFigure, DrawsLargerMeansFurtherRightAndIntervalsAroundThem) {
  for (const double width : {kWide, kNarrow}) {
    const Element svg = parse_svg(dot_plot(three_arms(), width));
    const std::vector<double> means = numbers(all_of_class(svg, "mean"), "cx");
    ASSERT_EQ(means.size(), 3U);
    EXPECT_LT(means[0], means[2]);
    EXPECT_LT(means[2], means[1]);
    EXPECT_NEAR((means[2] - means[0]) / (means[1] - means[0]), 0.4, 1e-3);
    const std::vector<Element> intervals = all_of_class(svg, "interval");
    ASSERT_EQ(intervals.size(), 2U);  // one seed has none
    EXPECT_NEAR((intervals[0].number("x1") + intervals[0].number("x2")) / 2, means[0], kRounding);
    EXPECT_NEAR(intervals[0].number("x2") - intervals[0].number("x1"),
                2 * (intervals[1].number("x2") - intervals[1].number("x1")), 2 * kRounding);
  }
}

TEST(DotPlotFigure, ShowsEverySeedNameLabelAndTheReference) {
  const Element svg = parse_svg(dot_plot(three_arms(), kWide));
  EXPECT_EQ(all_of_class(svg, "seed").size(), 6U);
  for (const char* text :
       {"low", "high", "once", "81.00 %", "91.00 %", "85", "accuracy (%)", "mean of low"}) {
    EXPECT_TRUE(contains(all_text(svg), text)) << text;
  }
  EXPECT_NEAR(all_of_class(svg, "reference").at(0).number("x1"), all_of_class(svg, "mean").at(0).number("cx"),
              kRounding);
}

TEST(DotPlotFigure, LeavesRoomForThePlotBesideLongNames) {
  DotPlot plot = three_arms();
  plot.arms[0].name = std::string(40, 'M');
  plot.arms[1].value = std::string(40, '8');
  for (const double width : {kWide, kNarrow}) {
    const std::vector<double> means = numbers(all_of_class(parse_svg(dot_plot(plot, width)), "mean"), "cx");
    EXPECT_GT(means[1] - means[0], 0.25 * width);
  }
}

TEST(DotPlotFigure, KeepsEqualSeedsApart) {
  const Element svg = parse_svg(dot_plot({.label = "x", .axis = "x", .arms = {{"a", 0, {1, 1, 1, 1}, 1}}}));
  std::vector<double> ys = numbers(all_of_class(svg, "seed"), "cy");
  std::sort(ys.begin(), ys.end());
  EXPECT_EQ(std::adjacent_find(ys.begin(), ys.end()), ys.end());
}

TEST(DotPlotFigure, LeavesOutIntervalsWithAnEndMissing) {
  const DotPlot plot{.label = "x", .axis = "x", .arms = {{"a", 0, {1}, 1, Interval{kNotMeasured, 2}}}};
  EXPECT_TRUE(all_of_class(parse_svg(dot_plot(plot)), "interval").empty());
}

TEST(BarsFigure, StartsAtZeroOnBothSides) {
  const Bars plot{
      .label = "x", .axis = "x", .bars = {{"up", 0, 2}, {"down", 1, -1}, {"none", 2, kNotMeasured}}};
  const Element svg = parse_svg(bars(plot));
  const std::vector<Element> drawn = all_of_class(svg, "fill");
  ASSERT_EQ(drawn.size(), 2U);
  EXPECT_NEAR(drawn[1].number("x") + drawn[1].number("width"), drawn[0].number("x"), kRounding);
  EXPECT_NEAR(drawn[0].number("width"), 2 * drawn[1].number("width"), 2 * kRounding);
  for (const char* text : {"up", "down", "none", "2", "-1", "not measured"}) {
    EXPECT_TRUE(contains(all_text(svg), text)) << text;
  }
}

TEST(BarsFigure, PutsTheReferenceWhereABarOfThatValueEnds) {
  const Bars plot{.label = "x",
                  .axis = "x",
                  .bars = {{"a", 0, 1, {}, "1.00x"}, {"b", 9, 1.4}},
                  .reference = ReferenceLine{1, "as fast"}};
  const Element svg = parse_svg(bars(plot));
  const Element bar = all_of_class(svg, "fill").at(0);
  EXPECT_NEAR(bar.number("x") + bar.number("width"), all_of_class(svg, "reference").at(0).number("x1"),
              kRounding);
  EXPECT_EQ(all_of_class(svg, "hatched").size(), 1U);  // the tenth arm shares a colour with the second
  EXPECT_TRUE(contains(all_text(svg), "1.00x"));
}

StackedBars two_ranks(StackedBars::Unit unit) {
  return {.label = "x",
          .axis = "time",
          .unit = unit,
          .groups = {{"arm", {{"rank 0", 0.5, 0.25, 0.125, 0.125}, {"rank 1", 0.25, 0.25, 0, 0}}}}};
}

TEST(StackedBarsFigure, SegmentsFollowEachOtherAndSumToTheBar) {
  for (const auto unit : {StackedBars::Unit::share, StackedBars::Unit::seconds}) {
    const Element svg = parse_svg(stacked_bars(two_ranks(unit)));
    const std::vector<Element> segments = all_of_class(svg, "segment");
    ASSERT_EQ(segments.size(), 6U);
    for (std::size_t i = 0; i + 1 < 4; ++i) {
      EXPECT_NEAR(segments[i].number("x") + segments[i].number("width"), segments[i + 1].number("x"),
                  kRounding);
    }
    const double whole = segments[3].number("x") + segments[3].number("width") - segments[0].number("x");
    const double half = segments[5].number("x") + segments[5].number("width") - segments[4].number("x");
    EXPECT_NEAR(segments[0].number("width"), whole / 2, 2 * kRounding);
    EXPECT_NEAR(half, whole / 2, 2 * kRounding);
  }
}

TEST(StackedBarsFigure, SaysSharesWhereTheyFitAndTotals) {
  const std::string shares = all_text(parse_svg(stacked_bars(two_ranks(StackedBars::Unit::share))));
  for (const char* text :
       {"compute", "communication", "wait", "other", "arm", "rank 0", "rank 1", "50 %", "25 %"}) {
    EXPECT_TRUE(contains(shares, text)) << text;
  }
  const std::string seconds = all_text(parse_svg(stacked_bars(two_ranks(StackedBars::Unit::seconds))));
  EXPECT_TRUE(contains(seconds, "1.0 s"));
  EXPECT_TRUE(contains(seconds, "0.5 s"));
  StackedBars thin = two_ranks(StackedBars::Unit::share);
  thin.groups[0].bars = {{"rank 0", 0.99, 0.01, 0, 0}};
  EXPECT_FALSE(contains(all_text(parse_svg(stacked_bars(thin))), " 1 %"));
}

TEST(StackedBarsFigure, NamesThePartsThatWereNotMeasured) {
  StackedBars plot = two_ranks(StackedBars::Unit::share);
  plot.groups[0].bars = {{"rank 0", 0.5, kNotMeasured, kNotMeasured, 0.1}};
  const std::string text = all_text(parse_svg(stacked_bars(plot)));
  EXPECT_TRUE(contains(text, "communication, wait not measured")) << text;
}

TEST(HeatMapFigure, HasACellPerCountAndItsNumber) {
  const HeatMap map{.label = "x",
                    .rows = "replica",
                    .columns = "class",
                    .unit = "samples",
                    .panels = {{"balanced", {{10, 20}, {30, 1200}}}, {"shards", {{0, kNotMeasured}}}}};
  const Element svg = parse_svg(heat_map(map));
  std::size_t cells = 0;
  for (const Element& title : all_named(svg, "title")) cells += contains(title.text, "replica ") ? 1 : 0;
  EXPECT_EQ(cells, 6U);
  for (const char* text :
       {"balanced", "shards", "replica", "class", "samples", "10", "20", "30", "1,200", "not measured"}) {
    EXPECT_TRUE(contains(all_text(svg), text)) << text;
  }
  EXPECT_EQ(all_of_class(svg, "missing").size(), 2U);  // the cell, and what it means
}

TEST(HeatMapFigure, WritesNumbersOnlyIntoCellsThatHoldThem) {
  for (const double count : {7.0, 1500.0, 1234567.0}) {
    HeatMap map{.label = "x", .rows = "replica", .columns = "class", .unit = "samples", .panels = {}};
    map.panels.assign(2, {"shards", {std::vector<double>(10, count)}});
    for (const double width : {kWide, kNarrow}) {
      const Element svg = parse_svg(heat_map(map, width));
      const double cell = all_of_class(svg, "heat-8").at(1).number("width");  // the first is the scale's
      std::size_t numbers_drawn = 0;
      for (const TextBox& box : text_boxes(svg)) {
        if (box.css_class != "on-heat-8") continue;
        EXPECT_LT(box.right - box.left, cell) << box.text;
        ++numbers_drawn;
      }
      EXPECT_EQ(numbers_drawn, count < 10000 ? 20U : 0U) << count;
    }
  }
}

TEST(HeatMapFigure, ThinsLabelsOutAndLeavesNumbersOutOfThinRows) {
  HeatMap map{.label = "x", .rows = "replica", .columns = "class", .unit = "samples", .panels = {}};
  map.panels.push_back({"shards", std::vector<std::vector<double>>(64, std::vector<double>(10, 77))});
  const Element svg = parse_svg(heat_map(map));
  EXPECT_EQ(all_named(svg, "title").size(), 640U);
  std::size_t labels = 0;
  for (const Element& text : all_named(svg, "text")) {
    labels += text.attribute("text-anchor") == "end" ? 1 : 0;
    EXPECT_FALSE(text.has_class("on-heat-8"));
  }
  EXPECT_GE(labels, 8U);
  EXPECT_LE(labels, 32U);
}

LinePlot growing(LinePlot::Scale scale) {
  return {.label = "x",
          .x_axis = "update",
          .y_axis = "difference",
          .y_scale = scale,
          .series = {{"first", 0, {{1, 1}, {2, 10}, {3, 100}}},
                     {"second", 1, {{1, 2}, {2, kNotMeasured}, {3, 4}, {4, 5}}}}};
}

/// "M1 2L3 4" -> {1, 3} and {2, 4}
std::pair<std::vector<double>, std::vector<double>> read_path(const Element& path) {
  std::pair<std::vector<double>, std::vector<double>> points;
  std::string text = path.attribute("d");
  for (char& c : text) c = c == 'M' || c == 'L' || c == 'Z' ? ' ' : c;
  text.erase(text.find_last_not_of(' ') + 1);
  std::size_t at = 0;
  for (bool is_x = true; at < text.size(); is_x = !is_x) {
    std::size_t used = 0;
    (is_x ? points.first : points.second).push_back(std::stod(text.substr(at), &used));
    at += used;
  }
  return points;
}

TEST(LinePlotFigure, PlacesPointsByTheirScale) {
  for (const auto scale : {LinePlot::Scale::linear, LinePlot::Scale::logarithmic}) {
    const Element svg = parse_svg(line_plot(growing(scale)));
    const auto [x, y] = read_path(all_of_class(svg, "curve").at(0));
    ASSERT_EQ(y.size(), 3U);
    EXPECT_NEAR(x[1] - x[0], x[2] - x[1], 2 * kRounding);
    const double ratio = (y[1] - y[2]) / (y[0] - y[1]);
    EXPECT_NEAR(ratio, scale == LinePlot::Scale::linear ? 10 : 1, 0.01);
    for (const char* text : {"first", "second", "update", "difference"}) {
      EXPECT_TRUE(contains(all_text(svg), text)) << text;
    }
  }
}

TEST(LinePlotFigure, BreaksALineWhereAPointIsMissing) {
  const Element svg = parse_svg(line_plot(growing(LinePlot::Scale::linear)));
  EXPECT_EQ(all_of_class(svg, "curve").size(),
            2U);  // the first series, and the last two points of the second
  EXPECT_EQ(read_path(all_of_class(svg, "curve").at(1)).first.size(), 2U);
  EXPECT_EQ(all_named(svg, "circle").size(), 1U);  // its point alone
}

TEST(LinePlotFigure, CountsZeroAsMissingOnALogarithmicScale) {
  LinePlot plot = growing(LinePlot::Scale::logarithmic);
  plot.series = {{"zero", 0, {{1, 0}, {2, -1}}}, {"one", 1, {{1, 1}, {2, 2}}}};
  const Element svg = parse_svg(line_plot(plot));
  EXPECT_EQ(all_of_class(svg, "curve").size(), 1U);
  EXPECT_TRUE(contains(all_text(svg), "not measured: zero"));
}

TEST(LinePlotFigure, DrawsBandsBehindTheirLines) {
  LinePlot plot = growing(LinePlot::Scale::linear);
  plot.series = {{"a", 0, {{1, 1, Interval{0, 3}}, {2, 2, Interval{1, 4}}}}};
  const Element svg = parse_svg(line_plot(plot));
  const auto [x, y] = read_path(all_of_class(svg, "band").at(0));
  ASSERT_EQ(y.size(), 4U);
  EXPECT_LT(y[0], y[3]);  // the high end of the first point is above its low end
  EXPECT_NEAR(x[0], x[3], kRounding);
}

TEST(TimelineFigure, PlacesIntervalsByTheirTimes) {
  const Timeline plot{.label = "x",
                      .modes = {{"mode",
                                 {{"rank 0",
                                   {{0, 1, Activity::compute, "forward"},
                                    {1, 3, Activity::communication, "all-reduce"},
                                    {3, 3, Activity::wait, "nothing"},
                                    {5, 4, Activity::wait, "backwards"},
                                    {kNotMeasured, 2, Activity::wait, "unknown"},
                                    {3, 4, Activity::wait, "wait"}}}}}}};
  const Element svg = parse_svg(timeline(plot));
  const auto drawn = [&](const std::string& name) {
    for (const Element& rect : all_named(svg, "rect")) {
      if (!rect.children.empty() && contains(rect.children[0].text, name + ":")) return rect;
    }
    return Element();
  };
  const Element forward = drawn("forward");
  const Element reduce = drawn("all-reduce");
  EXPECT_NEAR(reduce.number("width"), 2 * forward.number("width"), 2 * kRounding);
  EXPECT_NEAR(forward.number("x") + forward.number("width"), reduce.number("x"), kRounding);
  EXPECT_TRUE(forward.has_class("activity-compute"));
  EXPECT_TRUE(contains(forward.children[0].text, "1.000 ms"));
  EXPECT_TRUE(drawn("nothing").name.empty());
  EXPECT_TRUE(drawn("backwards").name.empty());
  EXPECT_TRUE(drawn("unknown").name.empty());
  for (const char* text : {"mode", "rank 0", "compute", "communication", "wait", "time (ms)"}) {
    EXPECT_TRUE(contains(all_text(svg), text)) << text;
  }
  EXPECT_FALSE(contains(all_text(svg), "other"));  // does not occur
}

}  // namespace
}  // namespace dml::report
