#include "runners/report/figures/line_plot.h"

#include <algorithm>
#include <utility>

#include "runners/report/figures/end_labels.h"
#include "runners/report/figures/parts.h"
#include "runners/report/palette.h"
#include "runners/report/text_size.h"

namespace dml::report {
namespace {

constexpr double kPlotHeight = 280;
constexpr double kTickGap = 8;  // between the numbers of the y axis and the plot
constexpr double kLeader = 18;  // between the plot and the names at its right
constexpr double kKey = 12;     // a piece of line before a name
constexpr double kAfterKey = 6;
constexpr double kNamesShare = 0.26;  // of the drawing, at most
constexpr double kEdge = 6;           // room at the right of a plot without names

bool is_logarithmic(const LinePlot& plot) {
  return plot.y_scale == LinePlot::Scale::logarithmic;
}

bool has_y(const LinePlot& plot, double y) {
  return is_measured(y) && (!is_logarithmic(plot) || y > 0);
}

bool is_drawn(const LinePlot& plot, const LinePoint& point) {
  return is_measured(point.x) && has_y(plot, point.y);
}

bool has_band(const LinePlot& plot, const LinePoint& point) {
  return is_drawn(plot, point) && point.band && has_y(plot, point.band->low) && has_y(plot, point.band->high);
}

std::vector<LinePoint> drawn_points(const LinePlot& plot, const LineSeries& series) {
  std::vector<LinePoint> points;
  std::copy_if(series.points.begin(), series.points.end(), std::back_inserter(points),
               [&](const LinePoint& point) { return is_drawn(plot, point); });
  return points;
}

struct Ranges {
  Range x, y;
};

Ranges ranges_of(const LinePlot& plot) {
  Ranges ranges;
  for (const LineSeries& series : plot.series) {
    for (const LinePoint& point : series.points) {
      if (!is_drawn(plot, point)) continue;
      ranges.x.include(point.x);
      ranges.y.include(point.y);
      if (!has_band(plot, point)) continue;
      ranges.y.include(point.band->low);
      ranges.y.include(point.band->high);
    }
  }
  if (ranges.x.empty()) return ranges;
  if (plot.x_from_zero) ranges.x.include(0);
  if (plot.y_from_zero && !is_logarithmic(plot)) ranges.y.include(0);
  return ranges;
}

/// The y axis with air above and below, but none below zero where nothing is.
Scale y_scale(const LinePlot& plot, const Range& range, double top, double bottom) {
  if (is_logarithmic(plot)) return {range.low() / 1.15, range.high() * 1.15, bottom, top, true};
  const Range padded = range.padded(0.05);
  const bool ends_at_zero = range.low() >= 0 && padded.low() < 0 && range.high() > 0;
  return {ends_at_zero ? 0 : padded.low(), padded.high(), bottom, top};
}

Scale x_scale(const Range& range, double from, double to) {
  const Range wide = range.low() < range.high() ? range : range.padded(0.05);
  return {wide.low(), wide.high(), from, to};
}

std::string move_to(char command, double x, double y) {
  return command + svg_number(x) + " " + svg_number(y);
}

class SeriesWriter {
 public:
  SeriesWriter(SvgWriter& writer, const LinePlot& plot, const Scale& x, const Scale& y)
      : writer_(writer), plot_(plot), x_(x), y_(y) {}

  void draw_bands(const LineSeries& series) const {
    std::vector<LinePoint> piece;
    for (const LinePoint& point : series.points) {
      if (has_band(plot_, point)) {
        piece.push_back(point);
      } else {
        draw_band(piece, series);
        piece.clear();
      }
    }
    draw_band(piece, series);
  }

  void draw_curve(const LineSeries& series) const {
    std::vector<LinePoint> piece;
    for (const LinePoint& point : series.points) {
      if (is_drawn(plot_, point)) {
        piece.push_back(point);
      } else {
        draw_piece(piece, series);
        piece.clear();
      }
    }
    draw_piece(piece, series);
  }

 private:
  void draw_band(const std::vector<LinePoint>& piece, const LineSeries& series) const {
    if (piece.size() < 2) return;
    std::string path;
    for (const LinePoint& point : piece) {
      path += move_to(path.empty() ? 'M' : 'L', x_.at(point.x), y_.at(point.band->high));
    }
    for (std::size_t i = piece.size(); i-- > 0;) {
      path += move_to('L', x_.at(piece[i].x), y_.at(piece[i].band->low));
    }
    writer_.path(path + "Z", "band " + arm_class(series.color));
  }

  void draw_piece(const std::vector<LinePoint>& piece, const LineSeries& series) const {
    if (piece.size() > 1) {
      std::string path;
      for (const LinePoint& point : piece) {
        path += move_to(path.empty() ? 'M' : 'L', x_.at(point.x), y_.at(point.y));
      }
      const std::string dashed = arm_is_dashed(series.color) ? "dashed " : "";
      writer_.path(path, "curve " + dashed + arm_class(series.color), series.name);
    }
    if (piece.size() > 1 && !plot_.markers) return;
    for (const LinePoint& point : piece) {
      const std::string marker = arm_is_dashed(series.color) ? "hollow " : "fill ";
      writer_.circle(x_.at(point.x), y_.at(point.y), 3.5, marker + arm_class(series.color),
                     series.name + ": " + value_text(point.y) + " at " + value_text(point.x));
    }
  }

  SvgWriter& writer_;
  const LinePlot& plot_;
  const Scale& x_;
  const Scale& y_;
};

/// Names at the ends, where the drawing is wide enough and they have room below each other.
std::optional<std::vector<EndLabel>> end_labels(const LinePlot& plot, const Range& y, double width) {
  if (width < kBesideWidth) return std::nullopt;
  const Scale scale = y_scale(plot, y, 0, kPlotHeight);
  std::vector<EndLabel> labels;
  for (std::size_t s = 0; s < plot.series.size(); ++s) {
    const std::vector<LinePoint> points = drawn_points(plot, plot.series[s]);
    if (points.empty()) continue;
    labels.push_back({.series = s,
                      .lines = wrap_text(plot.series[s].name, kSmallSize, kNamesShare * width),
                      .wanted = scale.at(points.back().y)});
  }
  return place_end_labels(std::move(labels), 0, kPlotHeight);
}

double draw_line_legend(SvgWriter& writer, const LinePlot& plot, double y, double width) {
  std::vector<LegendEntry> entries;
  for (const LineSeries& series : plot.series) {
    const std::string dashed = arm_is_dashed(series.color) ? "dashed " : "";
    entries.push_back({series.name, "curve " + dashed + arm_class(series.color), true});
  }
  return draw_legend(writer, entries, 0, y, width);
}

/// "not measured: a, b" for series without a point; they have no line whose end could carry their name.
std::string missing_series(const LinePlot& plot) {
  std::string names;
  for (const LineSeries& series : plot.series) {
    if (drawn_points(plot, series).empty()) names += (names.empty() ? "" : ", ") + series.name;
  }
  return names.empty() ? names : "not measured: " + names;
}

void draw_end_labels(SvgWriter& writer, const LinePlot& plot, const std::vector<EndLabel>& labels,
                     const Scale& x, const Scale& y) {
  for (const EndLabel& label : labels) {
    const LinePoint end = drawn_points(plot, plot.series[label.series]).back();
    const double middle = y.to + label.middle;
    const double key = x.to + kLeader;
    writer.path(move_to('M', x.at(end.x) + 3, y.at(end.y)) + move_to('L', x.to + 2, y.at(end.y)) +
                    move_to('L', key - 3, middle),
                "leader");
    const std::string dashed = arm_is_dashed(plot.series[label.series].color) ? "dashed " : "";
    writer.line(key, middle, key + kKey, middle,
                "key " + dashed + arm_class(plot.series[label.series].color));
    draw_lines(writer, key + kKey + kAfterKey, first_base_line(middle, label.lines.size(), kSmallSize),
               label.lines, {.size = kSmallSize});
  }
}

}  // namespace

Svg line_plot(const LinePlot& plot, double width) {
  const Ranges ranges = ranges_of(plot);
  if (ranges.x.empty()) return empty_figure(plot.label, width);
  const std::optional<std::vector<EndLabel>> labels = end_labels(plot, ranges.y, width);
  SvgWriter writer;
  double top = 0;
  if (!labels) top = draw_line_legend(writer, plot, top, width) + 6;
  for (const std::string& line : wrap_text(plot.y_axis, kSmallSize, width)) {
    top += kLineHeight;
    writer.text(0, top - 4, line, {.size = kSmallSize, .css_class = "muted"});
  }
  top += 6;
  const Scale y = y_scale(plot, ranges.y, top, top + kPlotHeight);
  const std::vector<double> ticks =
      y.logarithmic ? logarithmic_ticks(y.low, y.high, 6) : nice_ticks(y.low, y.high, 6);
  const std::vector<std::string> texts = tick_texts(ticks);
  const double from = lines_width(texts, kSmallSize) + kTickGap;
  double to = width - kEdge;
  for (const EndLabel& label : labels.value_or(std::vector<EndLabel>())) {
    to = std::min(to, width - kLeader - kKey - kAfterKey - lines_width(label.lines, kSmallSize));
  }
  const Scale x = x_scale(ranges.x, from, to);
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    writer.line(from, y.at(ticks[i]), to, y.at(ticks[i]), "grid");
    writer.text(from - kTickGap, y.at(ticks[i]) + 4, texts[i],
                {.size = kSmallSize, .anchor = Anchor::end, .css_class = "muted"});
  }
  double height = draw_axis(
      writer, {x, {{top + kPlotHeight, top + kPlotHeight + 5}}, top + kPlotHeight, plot.x_axis, width});
  writer.line(from, top + kPlotHeight, to, top + kPlotHeight, "axis");
  const SeriesWriter lines(writer, plot, x, y);
  for (const LineSeries& series : plot.series) lines.draw_bands(series);
  for (const LineSeries& series : plot.series) lines.draw_curve(series);
  if (labels) draw_end_labels(writer, plot, *labels, x, y);
  const std::string missing = missing_series(plot);
  if (!missing.empty()) {
    for (const std::string& line : wrap_text(missing, kSmallSize, width)) {
      writer.text(0, height + 8, line, {.size = kSmallSize, .css_class = "muted"});
      height += kLineHeight;
    }
  }
  return std::move(writer).finish(width, height, plot.label);
}

}  // namespace dml::report
