#include "runners/report/figures/lanes.h"

#include <algorithm>

#include "runners/report/figures/parts.h"
#include "runners/report/text_size.h"

namespace dml::report {
namespace {

constexpr double kGap = 10;
constexpr double kBetweenGroups = 12;
constexpr double kBetweenLanes = 4;

void measure(const std::vector<LaneGroup>& groups, double width, LaneLayout& layout) {
  double names = 0;
  double values = 0;
  for (const LaneGroup& group : groups) {
    for (const LaneGroup::Lane& lane : group.lanes) {
      names = std::max(names, lines_width(wrap_text(lane.name, kSmallSize, 0.25 * width), kSmallSize));
      values = std::max(values, lines_width(wrap_text(lane.value, kSmallSize, 0.25 * width), kSmallSize));
    }
  }
  layout.from = names > 0 ? names + kGap : 0;
  layout.to = width - (values > 0 ? values + kGap : 0);
}

}  // namespace

LaneLayout draw_lanes(SvgWriter& writer, const std::vector<LaneGroup>& groups, double top, double width,
                      double lane_height) {
  LaneLayout layout;
  measure(groups, width, layout);
  layout.height = lane_height;
  double y = top;
  for (const LaneGroup& group : groups) {
    if (!group.name.empty()) {
      const std::vector<std::string> title = wrap_text(group.name, kTextSize, width, true);
      draw_lines(writer, 0, y + kTextSize, title, {.size = kTextSize, .bold = true});
      y += kLineHeight * static_cast<double>(title.size()) + 6;
    }
    layout.middle.emplace_back();
    for (const LaneGroup::Lane& lane : group.lanes) {
      const std::vector<std::string> name = wrap_text(lane.name, kSmallSize, 0.25 * width);
      const std::vector<std::string> value = wrap_text(lane.value, kSmallSize, 0.25 * width);
      const double lines = kLineHeight * static_cast<double>(std::max(name.size(), value.size()));
      const double height = std::max(lane_height, lines);
      const double middle = y + height / 2;
      layout.middle.back().push_back(middle);
      draw_lines(writer, 0, first_base_line(middle, name.size(), kSmallSize), name,
                 {.size = kSmallSize, .css_class = "muted"});
      draw_lines(writer, width, first_base_line(middle, value.size(), kSmallSize), value,
                 {.size = kSmallSize, .anchor = Anchor::end});
      layout.spans.push_back({y - kBetweenLanes / 2, y + height + kBetweenLanes / 2});
      y += height + kBetweenLanes;
      if (lane.note.empty()) continue;
      const std::vector<std::string> note =
          wrap_text(lane.note, kSmallSize, width - layout.from - kNoteIndent);
      draw_lines(writer, layout.from + kNoteIndent, y + kSmallSize, note,
                 {.size = kSmallSize, .css_class = "muted"});
      y += kLineHeight * static_cast<double>(note.size()) + kBetweenLanes;
    }
    y += kBetweenGroups;
  }
  layout.bottom = y - (groups.empty() ? 0 : kBetweenGroups - kBetweenLanes);
  return layout;
}

}  // namespace dml::report
