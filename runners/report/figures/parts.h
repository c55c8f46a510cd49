// What several figures are made of: lines of text, axes, legends, names beside rows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runners/report/figures/scale.h"
#include "runners/report/figures/values.h"
#include "runners/report/svg.h"

namespace dml::report {

inline constexpr double kTextSize = 13;
inline constexpr double kSmallSize = 11.5;
inline constexpr double kLineHeight = 16;
/// Drawings narrower than this put names above their rows instead of beside them.
inline constexpr double kBesideWidth = 560;

/// A drawing that says that there is nothing to draw.
Svg empty_figure(const std::string& label, double width);

/// Lines below each other, the first one's base line at y.
void draw_lines(SvgWriter& writer, double x, double y, const std::vector<std::string>& lines,
                const TextStyle& style);
/// The base line of the first of several lines whose middle is at y.
double first_base_line(double y, std::size_t lines, double size);
/// Text with its middle at x, moved as far as it must be to stand within [left, right].
void draw_within(SvgWriter& writer, double x, double y, const std::string& text, double left, double right,
                 const TextStyle& style);

/// From one y to another.
struct Span {
  double top = 0, bottom = 0;
};

struct HorizontalAxis {
  Scale scale;
  std::vector<Span> spans;  ///< that grid lines cross
  double bottom = 0;        ///< the numbers stand below it
  std::string title;        ///< below the numbers, wrapped; none when empty
  double width = 0;         ///< of the drawing
  bool percent = false;     ///< values are shares
};

/// Grid lines, numbers and title; returns the y below all of it.
double draw_axis(SvgWriter& writer, const HorizontalAxis& axis);

struct LegendEntry {
  std::string name;
  std::string css_class;
  bool line = false;  ///< a piece of line instead of a square
};

/// Entries next to each other from x on, in as many lines as they need; returns the y below them.
double draw_legend(SvgWriter& writer, const std::vector<LegendEntry>& entries, double x, double y,
                   double right);

}  // namespace dml::report
