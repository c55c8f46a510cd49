// Where the ranks' time goes: a bar per rank, in groups of one arm each, made of compute, communication, wait
// and other.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "runners/report/figures/values.h"
#include "runners/report/svg.h"

namespace dml::report {

struct StackedBar {
  std::string name;  ///< "rank 0"
  double compute = kNotMeasured, communication = kNotMeasured, wait = kNotMeasured, other = kNotMeasured;
};

struct StackedBarGroup {
  std::string name;  ///< the arm
  std::vector<StackedBar> bars;
};

struct StackedBars {
  enum class Unit { share, seconds };

  std::string label;        ///< one sentence for those who do not see it
  std::string axis;         ///< "share of training time", "time (s)"
  Unit unit = Unit::share;  ///< share: values in [0, 1], and the axis ends at 100 % unless a bar is longer
  std::vector<StackedBarGroup> groups;
};

/// Segments are labelled with their share of the bar, where the label fits.
Svg stacked_bars(const StackedBars& plot, double width = kWide);

}  // namespace dml::report
