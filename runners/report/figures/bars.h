// One number per arm as horizontal bars from zero: a speed-up, bytes moved.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "runners/report/figures/values.h"
#include "runners/report/svg.h"

namespace dml::report {

struct Bar {
  std::string name;
  std::size_t color = 0;  ///< position of the arm in the report's list of arms
  double value = kNotMeasured;
  std::optional<Interval> interval = std::nullopt;
  std::string text = {};  ///< the label of the value, "1.30x"; made from the value when empty
};

struct Bars {
  std::string label;  ///< one sentence for those who do not see it
  std::string axis;   ///< with unit: "speed-up over single"
  std::vector<Bar> bars;
  std::optional<ReferenceLine> reference = std::nullopt;
};

Svg bars(const Bars& plot, double width = kWide);

}  // namespace dml::report
