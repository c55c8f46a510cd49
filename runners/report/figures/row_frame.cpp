#include "runners/report/figures/row_frame.h"

#include <algorithm>
#include <utility>

#include "runners/report/figures/parts.h"
#include "runners/report/text_size.h"

namespace dml::report {
namespace {

constexpr double kGap = 16;  // between a name, the plot and a value
constexpr double kEdge = 8;  // room for half a dot at the ends of a narrow plot
constexpr double kRowPadding = 10;
constexpr double kKey = 14;  // room of a reference line's key, and of its name beside it

double text_height(const std::vector<std::string>& lines) {
  return kLineHeight * static_cast<double>(lines.size());
}

}  // namespace

RowFrame::RowFrame(const std::vector<FrameRow>& rows, Options options) : options_(std::move(options)) {
  const bool compares = options_.reference && is_measured(options_.reference->value);
  if (!compares || options_.range.empty()) options_.reference.reset();
  top_ = 6;
  if (options_.reference) {
    top_ += kLineHeight * static_cast<double>(
                              wrap_text(options_.reference->name, kSmallSize, options_.width - kKey).size());
  }
  scale_.low = options_.range.low();
  scale_.high = options_.range.high();
  bottom_ = top_;
  if (options_.width >= kBesideWidth) {
    place_beside(rows);
  } else {
    place_above(rows);
  }
}

void RowFrame::place_beside(const std::vector<FrameRow>& rows) {
  double names = 0;
  double values = 0;
  for (const FrameRow& row : rows) {
    Row placed;
    placed.name = wrap_text(row.name, kTextSize, 0.34 * options_.width);
    placed.value = wrap_text(row.value, kTextSize, 0.28 * options_.width);
    placed.measured = row.measured;
    names = std::max(names, lines_width(placed.name, kTextSize));
    values = std::max(values, lines_width(placed.value, kTextSize));
    const double lines = std::max(text_height(placed.name), text_height(placed.value));
    const double height = std::max(options_.row_height, lines + kRowPadding);
    placed.middle = bottom_ + height / 2;
    placed.name_y = first_base_line(placed.middle, placed.name.size(), kTextSize);
    placed.value_y = first_base_line(placed.middle, placed.value.size(), kTextSize);
    placed.plot = Span{bottom_, bottom_ + height};
    placed.bottom = bottom_ += height;
    rows_.push_back(std::move(placed));
  }
  scale_.from = names + kGap;
  scale_.to = options_.width - values - kGap;
}

void RowFrame::place_above(const std::vector<FrameRow>& rows) {
  for (const FrameRow& row : rows) {
    Row placed;
    placed.value = wrap_text(row.value, kTextSize, 0.45 * options_.width);
    const double left = options_.width - lines_width(placed.value, kTextSize) - kGap;
    placed.name = wrap_text(row.name, kTextSize, left);
    placed.measured = row.measured;
    placed.name_y = placed.value_y = bottom_ + kRowPadding + 0.8 * kTextSize;
    const double lines = std::max(text_height(placed.name), text_height(placed.value));
    bottom_ += kRowPadding + lines;
    placed.middle = bottom_ + options_.row_height / 2;
    if (row.drawn) {
      placed.plot = Span{bottom_ + 2, bottom_ + options_.row_height};
      bottom_ += options_.row_height;
    }
    placed.bottom = bottom_ += kRowPadding / 2;
    rows_.push_back(std::move(placed));
  }
  scale_.from = kEdge;
  scale_.to = options_.width - kEdge;
}

std::vector<Span> RowFrame::spans() const {
  std::vector<Span> spans;
  for (const Row& row : rows_) {
    if (!row.plot) continue;
    if (!spans.empty() && spans.back().bottom == row.plot->top) {
      spans.back().bottom = row.plot->bottom;
    } else {
      spans.push_back(*row.plot);
    }
  }
  return spans;
}

/// Named where it ends at the top; in a narrow drawing, where a row's name is in between, beside a key.
void RowFrame::draw_reference(SvgWriter& writer) const {
  const ReferenceLine& reference = *options_.reference;
  const double x = scale_.at(reference.value);
  for (const Span& span : spans()) writer.line(x, span.top, x, span.bottom, "reference");
  const bool beside = options_.width >= kBesideWidth;
  const double left = beside ? 0 : kKey;
  if (!beside) writer.line(kKey / 2, 0, kKey / 2, kLineHeight - 2, "reference");
  double y = kSmallSize;
  for (const std::string& line : wrap_text(reference.name, kSmallSize, options_.width - kKey)) {
    draw_within(writer, beside ? x : 0, y, line, left, options_.width, {.size = kSmallSize});
    y += kLineHeight;
  }
}

double RowFrame::draw(SvgWriter& writer) const {
  const bool beside = options_.width >= kBesideWidth;
  for (std::size_t i = 0; i + 1 < rows_.size(); ++i) {
    if (!beside) writer.line(0, rows_[i].bottom, options_.width, rows_[i].bottom, "separator");
  }
  double height = bottom_ + 4;
  if (!options_.range.empty()) {
    height = draw_axis(writer, {scale_, spans(), bottom_, options_.axis, options_.width});
  }
  if (options_.reference) draw_reference(writer);
  for (const Row& row : rows_) {
    draw_lines(writer, 0, row.name_y, row.name, {.size = kTextSize});
    draw_lines(
        writer, options_.width, row.value_y, row.value,
        {.size = kTextSize, .anchor = Anchor::end, .css_class = row.measured ? "" : "muted", .bold = false});
  }
  return height;
}

}  // namespace dml::report
