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

double text_height(const std::vector<std::string>& lines) {
  return kLineHeight * static_cast<double>(lines.size());
}

}  // namespace

RowFrame::RowFrame(std::vector<FrameRow> rows, Options options) : options_(std::move(options)) {
  const bool compares = options_.reference && is_measured(options_.reference->value);
  if (!compares || options_.range.empty()) options_.reference.reset();
  top_ = 6;
  if (options_.reference) {
    top_ += kLineHeight *
            static_cast<double>(wrap_text(options_.reference->name, kSmallSize, options_.width).size());
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
    placed.middle = bottom_ + kRowPadding + lines + options_.row_height / 2;
    placed.bottom = bottom_ = placed.middle + options_.row_height / 2;
    rows_.push_back(std::move(placed));
  }
  bottom_ += kRowPadding / 2;
  scale_.from = kEdge;
  scale_.to = options_.width - kEdge;
}

double RowFrame::draw(SvgWriter& writer) const {
  const bool beside = options_.width >= kBesideWidth;
  for (std::size_t i = 0; i + 1 < rows_.size(); ++i) {
    if (!beside) writer.line(0, rows_[i].bottom + 1, options_.width, rows_[i].bottom + 1, "separator");
  }
  double height = bottom_ + 4;
  if (!options_.range.empty()) {
    height = draw_axis(writer, {scale_, top_, bottom_, options_.axis, options_.width});
  }
  if (options_.reference) {
    draw_reference(writer, *options_.reference, scale_, top_, bottom_, options_.width);
  }
  for (const Row& row : rows_) {
    draw_lines(writer, 0, row.name_y, row.name, {.size = kTextSize});
    draw_lines(
        writer, options_.width, row.value_y, row.value,
        {.size = kTextSize, .anchor = Anchor::end, .css_class = row.measured ? "" : "muted", .bold = false});
  }
  return height;
}

}  // namespace dml::report
