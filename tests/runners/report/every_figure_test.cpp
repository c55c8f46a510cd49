// What holds for every figure, whatever it is given.
#include <algorithm>
#include <cctype>
#include <gtest/gtest.h>

#include "tests/runners/report/drawings.h"

namespace dml::report {
namespace {

constexpr double kSlack = 0.02;  // coordinates are written with two decimals

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool overlap(const TextBox& left, const TextBox& right) {
  const double width = std::min(left.right, right.right) - std::max(left.left, right.left);
  const double height = std::min(left.bottom, right.bottom) - std::max(left.top, right.top);
  return width > kSlack && height > kSlack;
}

TEST(EveryFigure, IsWellFormedAndNamed) {
  for (const NamedDrawing& drawing : every_kind_of_drawing()) {
    SCOPED_TRACE(drawing.name);
    const Element svg = parse_svg(drawing.svg);
    EXPECT_EQ(svg.name, "svg");
    EXPECT_EQ(svg.attribute("role"), "img");
    EXPECT_FALSE(svg.attribute("aria-label").empty());
    EXPECT_NO_THROW(parse_xml(standalone_svg(drawing.svg)));
  }
}

TEST(EveryFigure, NeverShowsWhatIsNotANumber) {
  for (const NamedDrawing& drawing : every_kind_of_drawing()) {
    SCOPED_TRACE(drawing.name);
    const std::string text = lower(inline_svg(drawing.svg));
    EXPECT_FALSE(contains(text, "nan")) << text;
    EXPECT_FALSE(contains(text, "inf")) << text;
  }
}

TEST(EveryFigure, SaysWhatWasNotMeasured) {
  for (const NamedDrawing& drawing : every_kind_of_drawing()) {
    const bool is_curve = contains(drawing.name, "lines") || contains(drawing.name, "logarithmic");
    const bool gaps =
        contains(drawing.name, "some missing") && !is_curve;  // a curve has a gap instead of words
    if (!gaps && !contains(drawing.name, "all missing") && !contains(drawing.name, "none")) continue;
    EXPECT_TRUE(contains(all_text(parse_svg(drawing.svg)), "not measured")) << drawing.name;
  }
}

TEST(EveryFigure, KeepsTextsWithinTheDrawing) {
  for (const NamedDrawing& drawing : every_kind_of_drawing()) {
    SCOPED_TRACE(drawing.name);
    for (const TextBox& box : text_boxes(parse_svg(drawing.svg))) {
      EXPECT_GE(box.left, -kSlack) << box.text;
      EXPECT_GE(box.top, -1) << box.text;
      EXPECT_LE(box.right, drawing.svg.width + kSlack) << box.text;
      EXPECT_LE(box.bottom, drawing.svg.height + kSlack) << box.text;
    }
  }
}

TEST(EveryFigure, KeepsTextsApart) {
  for (const NamedDrawing& drawing : every_kind_of_drawing()) {
    SCOPED_TRACE(drawing.name);
    const std::vector<TextBox> boxes = text_boxes(parse_svg(drawing.svg));
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      for (std::size_t j = i + 1; j < boxes.size(); ++j) {
        EXPECT_FALSE(overlap(boxes[i], boxes[j]))
            << "'" << boxes[i].text << "' and '" << boxes[j].text << "'";
      }
    }
  }
}

TEST(EveryFigure, KeepsShapesWithinTheDrawing) {
  for (const NamedDrawing& drawing : every_kind_of_drawing()) {
    SCOPED_TRACE(drawing.name);
    const Element svg = parse_svg(drawing.svg);
    for (const Element& rect : all_named(svg, "rect")) {
      EXPECT_GE(rect.number("x"), -kSlack);
      EXPECT_GE(rect.number("width"), 0);
      EXPECT_LE(rect.number("x") + rect.number("width"), drawing.svg.width + 1);
      EXPECT_LE(rect.number("y") + rect.number("height"), drawing.svg.height);
    }
    for (const Element& circle : all_named(svg, "circle")) {
      EXPECT_GE(circle.number("cx") - circle.number("r"), -kSlack);
      EXPECT_LE(circle.number("cx") + circle.number("r"), drawing.svg.width + kSlack);
    }
    for (const Element& line : all_named(svg, "line")) {
      for (const char* x : {"x1", "x2"}) {
        EXPECT_GE(line.number(x), -kSlack);
        EXPECT_LE(line.number(x), drawing.svg.width + kSlack);
      }
    }
  }
}

/// But for words within a plot: they may stand on grid lines, because they say that nothing else is there.
TEST(EveryFigure, KeepsLinesAndDotsOffNamesAndValues) {
  for (const NamedDrawing& drawing : every_kind_of_drawing()) {
    if (contains(drawing.name, "lines") || contains(drawing.name, "logarithmic")) continue;
    SCOPED_TRACE(drawing.name);
    const Element svg = parse_svg(drawing.svg);
    std::vector<TextBox> marks;
    for (const Element& line : all_named(svg, "line")) {
      marks.push_back({"line " + line.attribute("class"), line.number("x1") - 0.5, line.number("x2") + 0.5,
                       line.number("y1"), line.number("y2")});
    }
    for (const Element& circle : all_named(svg, "circle")) {
      const double r = circle.number("r");
      marks.push_back({"dot " + circle.attribute("class"), circle.number("cx") - r, circle.number("cx") + r,
                       circle.number("cy") - r, circle.number("cy") + r});
    }
    for (const TextBox& box : text_boxes(svg)) {
      const bool on_a_bar = box.css_class.substr(0, 3) == "on-";
      if (on_a_bar || contains(box.text, "not measured")) continue;
      for (const TextBox& mark : marks) EXPECT_FALSE(overlap(box, mark)) << box.text << " and " << mark.text;
    }
  }
}

TEST(EveryFigure, ComesOutTheSameAgain) {
  const std::vector<NamedDrawing> once = every_kind_of_drawing();
  const std::vector<NamedDrawing> again = every_kind_of_drawing();
  ASSERT_EQ(once.size(), again.size());
  for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(inline_svg(once[i].svg), inline_svg(again[i].svg));
}

TEST(EveryFigure, UsesClassesForColors) {
  for (const NamedDrawing& drawing : every_kind_of_drawing()) {
    const std::string text = inline_svg(drawing.svg);
    EXPECT_FALSE(contains(text, "fill=")) << drawing.name;
    EXPECT_FALSE(contains(text, "style=")) << drawing.name;
    EXPECT_FALSE(contains(text, "stroke=")) << drawing.name;
  }
}

}  // namespace
}  // namespace dml::report
