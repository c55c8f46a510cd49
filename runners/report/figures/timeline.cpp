#include "runners/report/figures/timeline.h"

#include <algorithm>

#include "runners/report/figures/lanes.h"
#include "runners/report/figures/parts.h"
#include "runners/text.h"

namespace dml::report {
namespace {

constexpr double kThickness = 22;
constexpr double kNarrowest = 0.5;  // px: a shorter interval is still seen

bool is_drawn(const TimelineInterval& interval) {
  return is_measured(interval.start_ms) && is_measured(interval.end_ms) &&
         interval.end_ms > interval.start_ms;
}

/// From the first start to the last end; from zero when that costs little room.
Range range_of(const Timeline& plot) {
  Range range;
  for (const TimelineMode& mode : plot.modes) {
    for (const TimelineLane& lane : mode.lanes) {
      for (const TimelineInterval& interval : lane.intervals) {
        if (!is_drawn(interval)) continue;
        range.include(interval.start_ms);
        range.include(interval.end_ms);
      }
    }
  }
  if (!range.empty() && range.low() > 0 && range.low() < 0.25 * range.high()) range.include(0);
  return range;
}

std::string tooltip(const TimelineInterval& interval) {
  const double length_ms = interval.end_ms - interval.start_ms;
  return (interval.name.empty() ? activity_name(interval.activity) : interval.name) + ": " +
         decimal(length_ms, length_ms < 10 ? 3 : 1) + " ms";
}

void draw_lane(SvgWriter& writer, const TimelineLane& lane, const Scale& scale, double y) {
  const double top = y - kThickness / 2;
  writer.rect(scale.from, top, scale.to - scale.from, kThickness, "track");
  bool measured = false;
  for (const TimelineInterval& interval : lane.intervals) {
    if (!is_drawn(interval)) continue;
    measured = true;
    const double x = scale.at(interval.start_ms);
    const double width = std::max(kNarrowest, scale.at(interval.end_ms) - x);
    writer.rect(x, top + 2, width, kThickness - 4, activity_class(interval.activity), tooltip(interval));
  }
  if (!measured) {
    writer.text(scale.from + kNoteIndent, y + 4, "not measured", {.size = kSmallSize, .css_class = "muted"});
  }
}

/// The activities that occur, in their usual order.
std::vector<LegendEntry> legend_of(const Timeline& plot) {
  std::vector<LegendEntry> entries;
  for (const Activity activity : all_activities()) {
    bool occurs = false;
    for (const TimelineMode& mode : plot.modes) {
      for (const TimelineLane& lane : mode.lanes) {
        occurs =
            occurs || std::any_of(lane.intervals.begin(), lane.intervals.end(), [&](const auto& interval) {
              return interval.activity == activity && is_drawn(interval);
            });
      }
    }
    if (occurs) entries.push_back({activity_name(activity), activity_class(activity)});
  }
  return entries;
}

}  // namespace

Svg timeline(const Timeline& plot, double width) {
  const bool empty = std::all_of(plot.modes.begin(), plot.modes.end(),
                                 [](const TimelineMode& mode) { return mode.lanes.empty(); });
  if (empty) return empty_figure(plot.label, width);
  SvgWriter writer;
  double top = 0;
  const std::vector<LegendEntry> legend = legend_of(plot);
  if (!legend.empty()) top = draw_legend(writer, legend, 0, 0, width) + 8;
  std::vector<LaneGroup> groups;
  for (const TimelineMode& mode : plot.modes) {
    groups.push_back({mode.name, {}});
    for (const TimelineLane& lane : mode.lanes) groups.back().lanes.push_back({lane.name});
  }
  SvgWriter names;
  const LaneLayout lanes = draw_lanes(names, groups, top, width, kThickness);
  const Range range = range_of(plot);
  const Scale scale{range.low(), range.high(), lanes.from, lanes.to};
  double height = lanes.bottom + 4;
  if (!range.empty()) height = draw_axis(writer, {scale, lanes.spans, lanes.bottom, plot.axis, width});
  writer.append(names);
  for (std::size_t m = 0; m < plot.modes.size(); ++m) {
    for (std::size_t l = 0; l < plot.modes[m].lanes.size(); ++l) {
      draw_lane(writer, plot.modes[m].lanes[l], scale, lanes.middle[m][l]);
    }
  }
  return std::move(writer).finish(width, height, plot.label);
}

}  // namespace dml::report
