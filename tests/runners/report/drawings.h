// What tests ask of drawings.
#pragma once

#include <string>
#include <vector>

#include "runners/report/svg.h"
#include "tests/runners/report/xml.h"

namespace dml::report {

/// Where a text stands, by the estimate of text_size.h.
struct TextBox {
  std::string text;
  double left = 0, right = 0, top = 0, bottom = 0;
  std::string css_class = {};
};

Element parse_svg(const Svg& svg);
std::vector<TextBox> text_boxes(const Element& svg);
/// All texts, joined by blanks: names that were wrapped are whole again.
std::string all_text(const Element& svg);
bool contains(const std::string& text, const std::string& part);

struct NamedDrawing {
  std::string name;
  Svg svg;
};

/// Every kind of figure at both widths, with nothing, one, equal, missing, negative, huge and many values,
/// and with long names. No name in them contains "nan" or "inf".
std::vector<NamedDrawing> every_kind_of_drawing();

}  // namespace dml::report
