// How something changes with something else: lines with an optional band, named at their ends or, where
// there is no room, in a legend.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "runners/report/figures/values.h"
#include "runners/report/svg.h"

namespace dml::report {

struct LinePoint {
  double x = kNotMeasured, y = kNotMeasured;
  std::optional<Interval> band = std::nullopt;
};

struct LineSeries {
  std::string name;
  std::size_t color = 0;          ///< position of the arm in the report's list of arms
  std::vector<LinePoint> points;  ///< in the order of x; a missing one breaks the line
};

struct LinePlot {
  enum class Scale { linear, logarithmic };

  std::string label;   ///< one sentence for those who do not see it
  std::string x_axis;  ///< with unit: "training time (s)"
  std::string y_axis;
  Scale y_scale = Scale::linear;  ///< on a logarithmic one, values of 0 and below count as missing
  bool x_from_zero = false, y_from_zero = false;
  bool markers = false;  ///< a dot at every point, for few of them
  std::vector<LineSeries> series;
};

Svg line_plot(const LinePlot& plot, double width = kWide);

}  // namespace dml::report
