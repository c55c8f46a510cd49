// What the ranks do when: a lane per rank with its intervals of compute, communication and wait, the modes
// one below the other on one axis of time.
#pragma once

#include <string>
#include <vector>

#include "runners/report/figures/values.h"
#include "runners/report/palette.h"
#include "runners/report/svg.h"

namespace dml::report {

struct TimelineInterval {
  double start_ms = kNotMeasured,
         end_ms = kNotMeasured;  ///< one that does not end after it starts is left out
  Activity activity = Activity::compute;
  std::string name;  ///< "backward, step 830": shown when the pointer rests on it
};

struct TimelineLane {
  std::string name;  ///< "rank 0"
  std::vector<TimelineInterval> intervals;
};

struct TimelineMode {
  std::string name;
  std::vector<TimelineLane> lanes;
};

struct Timeline {
  std::string label;  ///< one sentence for those who do not see it
  std::string axis = "time (ms)";
  std::vector<TimelineMode> modes;
};

Svg timeline(const Timeline& plot, double width = kWide);

}  // namespace dml::report
