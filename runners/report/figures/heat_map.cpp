#include "runners/report/figures/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runners/report/figures/parts.h"
#include "runners/report/figures/values.h"
#include "runners/report/palette.h"
#include "runners/report/text_size.h"
#include "runners/text.h"

namespace dml::report {
namespace {

constexpr double kPanelGap = 32;
constexpr double kLabelGap = 6;
constexpr double kTallest = 300;  // of a panel's cells, where rows need not be thinner than kThinnest
constexpr double kThinnest = 7, kThickest = 24, kWidest = 56;
constexpr double kLabelSize = 10.5;

/// What is the same in all panels.
struct Layout {
  double labels = 0;  // width of the row labels
  double cell_width = 0, cell_height = 0;
  double number_size = 0;  // 0: the cells have no room for numbers
  double largest = 0;
  std::size_t rows = 0, columns = 0;  // of the largest panel
};

std::string cell_text(double value) {
  return std::abs(value) < 1e9 && value == std::round(value) ? with_thousands(std::llround(value))
                                                             : value_text(value);
}

template <typename Visit>
void for_each_cell(const HeatMap& map, const Visit& visit) {
  for (const HeatMapPanel& panel : map.panels) {
    for (const auto& row : panel.counts) {
      for (const double count : row) visit(count);
    }
  }
}

/// The largest size at which every number fits into its cell; either all cells have theirs or none has.
double number_size(const HeatMap& map, const Layout& layout) {
  for (const double size : {11.0, 10.0, 9.0}) {
    if (layout.cell_height < size + 2) continue;
    double widest = 0;
    for_each_cell(map, [&](double count) {
      if (is_measured(count)) widest = std::max(widest, text_width(cell_text(count), size));
    });
    if (widest + 6 <= layout.cell_width) return size;
  }
  return 0;
}

Layout layout_of(const HeatMap& map, double panel_width) {
  Layout layout;
  for (const HeatMapPanel& panel : map.panels) {
    layout.rows = std::max(layout.rows, panel.counts.size());
    for (const auto& row : panel.counts) layout.columns = std::max(layout.columns, row.size());
  }
  if (layout.rows == 0 || layout.columns == 0) return layout;
  layout.labels = text_width(std::to_string(layout.rows - 1), kLabelSize) + kLabelGap;
  layout.cell_width = std::min(kWidest, (panel_width - layout.labels) / static_cast<double>(layout.columns));
  layout.cell_height = std::clamp(kTallest / static_cast<double>(layout.rows), kThinnest, kThickest);
  for_each_cell(map, [&](double count) {
    if (is_measured(count)) layout.largest = std::max(layout.largest, count);
  });
  layout.number_size = number_size(map, layout);
  return layout;
}

/// Every how many-th label has room: 1, 2, 4, 8, ...
std::size_t label_stride(double cell, double label) {
  std::size_t stride = 1;
  while (static_cast<double>(stride) * cell < label) stride *= 2;
  return stride;
}

class PanelWriter {
 public:
  PanelWriter(SvgWriter& writer, const HeatMap& map, const Layout& layout)
      : writer_(writer), map_(map), layout_(layout) {}

  /// The name above y, cells from y on; returns the y below the panel.
  double draw(const HeatMapPanel& panel, double left, double y) {
    const double cells = left + layout_.labels;
    const std::size_t row_stride = label_stride(layout_.cell_height, kLabelSize + 2);
    for (std::size_t r = 0; r < panel.counts.size(); ++r) {
      const double top = y + layout_.cell_height * static_cast<double>(r);
      if (r % row_stride == 0) {
        writer_.text(cells - kLabelGap, top + layout_.cell_height / 2 + 0.36 * kLabelSize, std::to_string(r),
                     {.size = kLabelSize, .anchor = Anchor::end, .css_class = "muted"});
      }
      for (std::size_t c = 0; c < layout_.columns; ++c) {
        const double count = c < panel.counts[r].size() ? panel.counts[r][c] : kNotMeasured;
        const std::string what =
            map_.rows + " " + std::to_string(r) + ", " + map_.columns + " " + std::to_string(c) + ": ";
        draw_cell(count, cells + layout_.cell_width * static_cast<double>(c), top, what);
      }
    }
    y += layout_.cell_height * static_cast<double>(panel.counts.size());
    return draw_columns(cells, y);
  }

 private:
  void draw_cell(double count, double x, double y, const std::string& what) {
    constexpr double kSeparation = 0.5;
    const double width = layout_.cell_width - 2 * kSeparation;
    const double height = layout_.cell_height - 2 * kSeparation;
    if (!is_measured(count)) {
      writer_.rect(x + kSeparation, y + kSeparation, width, height, "missing", what + "not measured");
      return;
    }
    const std::string step = "heat-" + std::to_string(heat_step(count, layout_.largest));
    const std::string number = cell_text(count);
    writer_.rect(x + kSeparation, y + kSeparation, width, height, step, what + number);
    if (layout_.number_size <= 0) return;
    writer_.text(x + layout_.cell_width / 2, y + layout_.cell_height / 2 + 0.36 * layout_.number_size, number,
                 {.size = layout_.number_size, .anchor = Anchor::middle, .css_class = "on-" + step});
  }

  double draw_columns(double cells, double y) {
    const double widest = text_width(std::to_string(layout_.columns - 1), kLabelSize) + 4;
    const std::size_t stride = label_stride(layout_.cell_width, widest);
    for (std::size_t c = 0; c < layout_.columns; c += stride) {
      writer_.text(cells + layout_.cell_width * (static_cast<double>(c) + 0.5), y + 14, std::to_string(c),
                   {.size = kLabelSize, .anchor = Anchor::middle, .css_class = "muted"});
    }
    return y + 20;
  }

  SvgWriter& writer_;
  const HeatMap& map_;
  const Layout& layout_;
};

bool any_missing(const HeatMap& map, const Layout& layout) {
  for (const HeatMapPanel& panel : map.panels) {
    for (const auto& row : panel.counts) {
      if (row.size() < layout.columns) return true;
      for (const double count : row) {
        if (!is_measured(count)) return true;
      }
    }
  }
  return false;
}

/// The steps with the largest count of every other one, and what an empty cell means where there is one.
double draw_scale(SvgWriter& writer, const HeatMap& map, const Layout& layout, double y) {
  constexpr double kStep = 26;
  const std::string caption =
      map.unit + ", up to the number below; rows: " + map.rows + ", columns: " + map.columns;
  for (const std::string& line : wrap_text(caption, kSmallSize, kNarrow)) {
    writer.text(0, y + 11, line, {.size = kSmallSize, .css_class = "muted"});
    y += kLineHeight;
  }
  y += 6;
  double x = 0;
  for (int step = 0; step <= kHeatSteps; ++step) {
    writer.rect(x, y, kStep, 12, "heat-" + std::to_string(step));
    const bool whole = layout.largest >= 100;
    const double end = heat_step_end(step, layout.largest);
    const std::string number = cell_text(whole ? std::round(end) : end);
    if (step % 2 == 0) {
      draw_within(writer, x + kStep / 2, y + 25, number, 0, kNarrow,
                  {.size = kLabelSize, .css_class = "muted"});
    }
    x += kStep;
  }
  x += 3 * kLabelGap;
  if (any_missing(map, layout)) {
    writer.rect(x + 0.5, y + 0.5, 16, 11, "missing");
    writer.text(x + 16 + kLabelGap, y + 10, "not measured", {.size = kSmallSize, .css_class = "muted"});
  }
  return y + 34;
}

}  // namespace

Svg heat_map(const HeatMap& map, double width) {
  const std::size_t across = width >= kBesideWidth && map.panels.size() > 1 ? 2 : 1;
  const double panel_width =
      (width - kPanelGap * static_cast<double>(across - 1)) / static_cast<double>(across);
  const Layout layout = layout_of(map, panel_width);
  if (layout.rows == 0 || layout.columns == 0) return empty_figure(map.label, width);
  SvgWriter writer;
  double y = draw_scale(writer, map, layout, 0) + 12;
  for (std::size_t first = 0; first < map.panels.size(); first += across) {
    const std::size_t last = std::min(first + across, map.panels.size());
    std::vector<std::vector<std::string>> titles;
    double title_lines = 1;
    for (std::size_t p = first; p < last; ++p) {
      titles.push_back(wrap_text(map.panels[p].name, kTextSize, panel_width, true));
      title_lines = std::max(title_lines, static_cast<double>(titles.back().size()));
    }
    const double cells_top = y + kLineHeight * title_lines + 4;
    double bottom = cells_top;
    for (std::size_t p = first; p < last; ++p) {
      const double left = (panel_width + kPanelGap) * static_cast<double>(p - first);
      const auto& title = titles[p - first];
      const double title_y = cells_top - 7 - kLineHeight * static_cast<double>(title.size() - 1);
      draw_lines(writer, left, title_y, title, {.size = kTextSize, .bold = true});
      bottom = std::max(bottom, PanelWriter(writer, map, layout).draw(map.panels[p], left, cells_top));
    }
    y = bottom + 14;
  }
  return std::move(writer).finish(width, y - 8, map.label);
}

}  // namespace dml::report
