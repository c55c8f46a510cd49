// Groups of lanes below each other: an arm's ranks under its name. In narrow drawings as in wide ones the
// name of a lane stands at its left, because it is short.
#pragma once

#include <string>
#include <vector>

#include "runners/report/figures/parts.h"
#include "runners/report/svg.h"

namespace dml::report {

inline constexpr double kNoteIndent = 6;  ///< of words that stand where a lane would be

struct LaneGroup {
  std::string name;
  struct Lane {
    std::string name;
    std::string value = {};  ///< at the right
    std::string note = {};   ///< below it
  };
  std::vector<Lane> lanes;
};

/// Where things are; from and to are the ends of the lanes.
struct LaneLayout {
  double from = 0, to = 0;
  std::vector<Span> spans;  ///< of the lanes
  double bottom = 0;
  double height = 0;                        ///< of a lane
  std::vector<std::vector<double>> middle;  ///< y by group and lane
};

/// Writes the names, values and notes, from y = top on.
LaneLayout draw_lanes(SvgWriter& writer, const std::vector<LaneGroup>& groups, double top, double width,
                      double lane_height);

}  // namespace dml::report
