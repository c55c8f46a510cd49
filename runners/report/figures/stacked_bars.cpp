#include "runners/report/figures/stacked_bars.h"

#include <algorithm>

#include "runners/report/figures/lanes.h"
#include "runners/report/figures/parts.h"
#include "runners/report/palette.h"
#include "runners/report/text_size.h"
#include "runners/text.h"

namespace dml::report {
namespace {

constexpr double kThickness = 20;

double value_of(const StackedBar& bar, Activity activity) {
  switch (activity) {
    case Activity::compute:
      return bar.compute;
    case Activity::communication:
      return bar.communication;
    case Activity::wait:
      return bar.wait;
    case Activity::other:
      return bar.other;
  }
  return kNotMeasured;
}

/// Its length; what was not measured has none, and neither has a difference of clocks that came out below 0.
double length_of(const StackedBar& bar, Activity activity) {
  const double value = value_of(bar, activity);
  return is_measured(value) ? std::max(0.0, value) : 0;
}

double total(const StackedBar& bar) {
  double sum = 0;
  for (const Activity activity : all_activities()) sum += length_of(bar, activity);
  return sum;
}

std::vector<std::string> missing_in(const StackedBar& bar) {
  std::vector<std::string> missing;
  for (const Activity activity : all_activities()) {
    if (!is_measured(value_of(bar, activity))) missing.push_back(activity_name(activity));
  }
  return missing;
}

/// "communication, wait not measured"; empty when all or none of them is missing.
std::string note(const StackedBar& bar) {
  const std::vector<std::string> missing = missing_in(bar);
  if (missing.empty() || missing.size() == all_activities().size()) return {};
  std::string text;
  for (const std::string& name : missing) text += (text.empty() ? "" : ", ") + name;
  return text + " not measured";
}

bool nothing_known(const StackedBar& bar) {
  return missing_in(bar).size() == all_activities().size();
}

/// "12.4 s" for every bar in order, with as many decimals as each other; nothing for shares, which sum to 1.
std::vector<std::string> totals(const StackedBars& plot) {
  std::vector<double> sums;
  for (const StackedBarGroup& group : plot.groups) {
    for (const StackedBar& bar : group.bars) sums.push_back(nothing_known(bar) ? kNotMeasured : total(bar));
  }
  std::vector<std::string> labels = value_column(sums);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool shown = plot.unit == StackedBars::Unit::seconds && is_measured(sums[i]);
    labels[i] = shown ? labels[i] + " s" : std::string();
  }
  return labels;
}

std::vector<LaneGroup> lanes_of(const StackedBars& plot) {
  const std::vector<std::string> labels = totals(plot);
  std::size_t next = 0;
  std::vector<LaneGroup> groups;
  for (const StackedBarGroup& group : plot.groups) {
    groups.push_back({group.name, {}});
    for (const StackedBar& bar : group.bars) {
      groups.back().lanes.push_back({bar.name, labels[next++], note(bar)});
    }
  }
  return groups;
}

double longest(const StackedBars& plot) {
  double length = plot.unit == StackedBars::Unit::share ? 1 : 0;
  for (const StackedBarGroup& group : plot.groups) {
    for (const StackedBar& bar : group.bars) length = std::max(length, total(bar));
  }
  return length > 0 ? length : 1;
}

void draw_bar(SvgWriter& writer, const StackedBars& plot, const StackedBar& bar, const Scale& scale,
              double y) {
  if (nothing_known(bar)) {
    writer.text(scale.from + kNoteIndent, y + 4, "not measured", {.size = kSmallSize, .css_class = "muted"});
    return;
  }
  const bool share = plot.unit == StackedBars::Unit::share;
  const double sum = total(bar);
  double start = 0;
  for (const Activity activity : all_activities()) {
    const double length = length_of(bar, activity);
    if (length <= 0) continue;
    const double x = scale.at(start);
    const double width = scale.at(start + length) - x;
    const std::string part = percent(share ? length : length / sum, 0);
    writer.rect(
        x, y - kThickness / 2, width, kThickness, "segment " + activity_class(activity),
        bar.name + ", " + activity_name(activity) + ": " + (share ? part : value_text(length) + " s"));
    if (text_width(part, kSmallSize) + 8 <= width) {
      const std::string on = "on-" + activity_name(activity);
      writer.text(x + width / 2, y + 4, part,
                  {.size = kSmallSize, .anchor = Anchor::middle, .css_class = on});
    }
    start += length;
  }
}

}  // namespace

Svg stacked_bars(const StackedBars& plot, double width) {
  const bool empty = std::all_of(plot.groups.begin(), plot.groups.end(),
                                 [](const StackedBarGroup& group) { return group.bars.empty(); });
  if (empty) return empty_figure(plot.label, width);
  SvgWriter writer;
  std::vector<LegendEntry> legend;
  for (const Activity activity : all_activities()) {
    legend.push_back({activity_name(activity), activity_class(activity)});
  }
  const double top = draw_legend(writer, legend, 0, 0, width) + 8;
  SvgWriter names;
  const LaneLayout lanes = draw_lanes(names, lanes_of(plot), top, width, kThickness);
  const Scale scale{0, longest(plot), lanes.from, lanes.to};
  const double height = draw_axis(
      writer, {scale, lanes.spans, lanes.bottom, plot.axis, width, plot.unit == StackedBars::Unit::share});
  writer.append(names);
  for (std::size_t g = 0; g < plot.groups.size(); ++g) {
    for (std::size_t b = 0; b < plot.groups[g].bars.size(); ++b) {
      draw_bar(writer, plot, plot.groups[g].bars[b], scale, lanes.middle[g][b]);
    }
  }
  return std::move(writer).finish(width, height, plot.label);
}

}  // namespace dml::report
