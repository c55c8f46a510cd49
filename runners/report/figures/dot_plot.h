// Arms of an experiment compared: a row per arm with each seed as a dot, their mean, and its confidence
// interval as a line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "runners/report/figures/values.h"
#include "runners/report/svg.h"

namespace dml::report {

struct DotPlotArm {
  std::string name;
  std::size_t color = 0;  ///< position of the arm in the report's list of arms
  std::vector<double> seeds = {};
  double mean = kNotMeasured;
  std::optional<Interval> interval = std::nullopt;
  std::string value = {};  ///< the label of the mean, "87.31 %"; made from the mean when empty
};

struct DotPlot {
  std::string label;  ///< one sentence for those who do not see it
  std::string axis;   ///< with unit: "test accuracy (%)"
  std::vector<DotPlotArm> arms;
  std::optional<ReferenceLine> reference = std::nullopt;
};

Svg dot_plot(const DotPlot& plot, double width = kWide);

}  // namespace dml::report
