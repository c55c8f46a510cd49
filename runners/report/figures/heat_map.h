// Which replica sees how much of which class: a matrix of counts per sampler, all on one scale.
#pragma once

#include <string>
#include <vector>

#include "runners/report/svg.h"

namespace dml::report {

struct HeatMapPanel {
  std::string name;                         ///< the sampler
  std::vector<std::vector<double>> counts;  ///< [row][column]; rows may be shorter than others: not measured
};

struct HeatMap {
  std::string label;    ///< one sentence for those who do not see it
  std::string rows;     ///< "replica"
  std::string columns;  ///< "class"
  std::string unit;     ///< of the counts, "samples"
  std::vector<HeatMapPanel> panels;
};

/// More is darker on paper and brighter on a dark screen: a text that explains it says "stronger".
/// Numbers are written into cells that have room for them; of many rows only some are labelled.
Svg heat_map(const HeatMap& map, double width = kWide);

}  // namespace dml::report
