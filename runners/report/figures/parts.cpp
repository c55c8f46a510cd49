#include "runners/report/figures/parts.h"

#include <algorithm>
#include <cmath>

#include "runners/report/text_size.h"
#include "runners/text.h"

namespace dml::report {
namespace {

struct Ticks {
  std::vector<double> values;
  std::vector<std::string> texts;
};

std::string percent_text(double share) {
  return std::abs(share) < 1e4 ? percent(share, 0) : scientific_text(100 * share) + " %";
}

/// As many as fit beside each other.
Ticks fitting_ticks(const HorizontalAxis& axis) {
  constexpr double kGap = 18;
  const double room = axis.scale.to - axis.scale.from;
  Ticks ticks;
  for (int about = std::max(2, static_cast<int>(room / 70)); about >= 1; --about) {
    ticks.values = nice_ticks(axis.scale.low, axis.scale.high, about);
    ticks.texts = axis.percent ? std::vector<std::string>() : tick_texts(ticks.values);
    for (const double value : ticks.values) {
      if (axis.percent) ticks.texts.push_back(percent_text(value));
    }
    const double widest = lines_width(ticks.texts, kSmallSize);
    if (ticks.values.size() < 2) break;
    if (axis.scale.at(ticks.values[1]) - axis.scale.at(ticks.values[0]) >= widest + kGap) break;
  }
  return ticks;
}

}  // namespace

Svg empty_figure(const std::string& label, double width) {
  SvgWriter writer;
  writer.text(width / 2, 30, "not measured", {.anchor = Anchor::middle, .css_class = "muted"});
  return std::move(writer).finish(width, 48, label);
}

void draw_lines(SvgWriter& writer, double x, double y, const std::vector<std::string>& lines,
                const TextStyle& style) {
  for (const std::string& line : lines) {
    writer.text(x, y, line, style);
    y += kLineHeight;
  }
}

double first_base_line(double y, std::size_t lines, double size) {
  return y + 0.36 * size - kLineHeight * (static_cast<double>(lines) - 1) / 2;
}

void draw_within(SvgWriter& writer, double x, double y, const std::string& text, double left, double right,
                 const TextStyle& style) {
  const double half = text_width(text, style.size, style.bold) / 2;
  TextStyle placed = style;
  placed.anchor = Anchor::middle;
  if (x - half < left) {
    x = left;
    placed.anchor = Anchor::start;
  } else if (x + half > right) {
    x = right;
    placed.anchor = Anchor::end;
  }
  writer.text(x, y, text, placed);
}

double draw_axis(SvgWriter& writer, const HorizontalAxis& axis) {
  const Ticks ticks = fitting_ticks(axis);
  for (std::size_t i = 0; i < ticks.values.size(); ++i) {
    const double x = axis.scale.at(ticks.values[i]);
    for (const Span& span : axis.spans) writer.line(x, span.top, x, span.bottom, "grid");
    draw_within(writer, x, axis.bottom + 17, ticks.texts[i], 0, axis.width,
                {.size = kSmallSize, .css_class = "muted"});
  }
  double y = axis.bottom + 24;
  if (axis.title.empty()) return y;
  for (const std::string& line : wrap_text(axis.title, kSmallSize, axis.width)) {
    y += kLineHeight;
    draw_within(writer, (axis.scale.from + axis.scale.to) / 2, y, line, 0, axis.width,
                {.size = kSmallSize, .css_class = "muted"});
  }
  return y + 8;
}

double draw_legend(SvgWriter& writer, const std::vector<LegendEntry>& entries, double x, double y,
                   double right) {
  constexpr double kKey = 12;
  constexpr double kAfterKey = 7;
  constexpr double kGap = 20;
  double at = x;
  for (const LegendEntry& entry : entries) {
    const std::vector<std::string> lines = wrap_text(entry.name, kSmallSize, right - x - kKey - kAfterKey);
    const double needs = kKey + kAfterKey + lines_width(lines, kSmallSize);
    if (at > x && at + needs > right) {
      at = x;
      y += kLineHeight + 4;
    }
    if (entry.line) {
      writer.line(at, y + 7, at + kKey, y + 7, entry.css_class);
    } else {
      writer.rect(at, y + 1, kKey, kKey, entry.css_class);
    }
    draw_lines(writer, at + kKey + kAfterKey, y + 11, lines, {.size = kSmallSize});
    y += kLineHeight * static_cast<double>(lines.size() - 1);
    at += needs + kGap;
  }
  return y + kLineHeight + 4;
}

}  // namespace dml::report
