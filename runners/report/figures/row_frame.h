// Rows of arms on one horizontal axis, each with its name at the left and its value at the right, where
// values stand below each other as in a table. In narrow drawings both stand above the row.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runners/report/figures/parts.h"
#include "runners/report/figures/scale.h"
#include "runners/report/figures/values.h"
#include "runners/report/svg.h"

namespace dml::report {

struct FrameRow {
  std::string name;
  std::string value;     ///< its label
  bool measured = true;  ///< the value is a number
  bool drawn = true;     ///< there is something to draw; a narrow drawing leaves out the room for nothing
};

class RowFrame {
 public:
  struct Options {
    std::string axis;
    double width = kWide;
    double row_height = 36;  ///< of what is drawn in a row
    Range range;             ///< padded already
    std::optional<ReferenceLine> reference = std::nullopt;
  };

  RowFrame(const std::vector<FrameRow>& rows, Options options);

  [[nodiscard]] const Scale& scale() const { return scale_; }
  /// The y of the middle of what is drawn in a row.
  [[nodiscard]] double middle(std::size_t row) const { return rows_.at(row).middle; }

  /// What lines across the rows cross: all rows at once, or the plots between names.
  [[nodiscard]] std::vector<Span> spans() const;

  /// Everything but the values themselves, which are drawn after it; returns the height of the drawing.
  double draw(SvgWriter& writer) const;

 private:
  struct Row {
    std::vector<std::string> name, value;
    bool measured = true;
    double name_y = 0, value_y = 0;  ///< first base lines
    double middle = 0, bottom = 0;
    std::optional<Span> plot;  ///< what grid lines cross
  };

  void place_beside(const std::vector<FrameRow>& rows);
  void place_above(const std::vector<FrameRow>& rows);
  void draw_reference(SvgWriter& writer) const;

  Options options_;
  std::vector<Row> rows_;
  Scale scale_;
  double top_ = 0, bottom_ = 0;
};

}  // namespace dml::report
