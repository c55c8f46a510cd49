// Drawings as SVG text: the values that figures return, and the writer they draw with.
//
// A drawing has a viewBox and no colours of its own: elements carry classes, and the style sheet of style.h
// gives these a colour in the light and in the dark. The same text therefore stands inside a page and, with
// the style sheet in it, in a file. Coordinates are in px of a drawing that is shown at its own width.
#pragma once

#include <string>
#include <string_view>

namespace dml::report {

/// One picture.
struct Svg {
  double width = 0, height = 0;
  std::string label;  ///< one sentence for those who do not see it
  std::string body;   ///< the elements inside <svg>

  [[nodiscard]] bool empty() const { return body.empty(); }
};

/// The same figure for a column of text and for a phone or half a column; a page shows the one that fits.
struct Drawing {
  Svg wide;
  Svg narrow = {};  ///< may be empty: the wide one is then scrolled
};

inline constexpr double kWide = 720;
inline constexpr double kNarrow = 400;

/// draw(dot_plot, options): a figure at both widths.
template <typename Options>
Drawing draw(Svg (*figure)(const Options&, double width), const Options& options) {
  return {figure(options, kWide), figure(options, kNarrow)};
}

/// <svg> for use inside a page that holds the style sheet; css_class is added to it.
std::string inline_svg(const Svg& svg, std::string_view css_class = {});
/// A file of its own, with the style sheet inside and a margin of paper.
std::string standalone_svg(const Svg& svg);

/// & < > " ' as entities, and characters that XML does not allow as U+FFFD: safe in text and in attributes.
std::string escape_xml(std::string_view text);

enum class Anchor { start, middle, end };

struct TextStyle {
  double size = 13;
  Anchor anchor = Anchor::start;
  std::string_view css_class = {};
  bool bold = false;
};

/// Appends elements to a body. Every coordinate must be finite (InternalError otherwise): what was not
/// measured is the figure's to show.
class SvgWriter {
 public:
  void line(double x1, double y1, double x2, double y2, std::string_view css_class);
  /// tooltip: shown by browsers when the pointer rests on it; none when empty.
  void rect(double x, double y, double width, double height, std::string_view css_class,
            std::string_view tooltip = {});
  void circle(double x, double y, double radius, std::string_view css_class, std::string_view tooltip = {});
  /// path: the text of attribute d, made of svg_number and letters.
  void path(std::string_view path, std::string_view css_class, std::string_view tooltip = {});
  /// y is the base line.
  void text(double x, double y, std::string_view text, const TextStyle& style = {});

  /// Everything another writer wrote, on top of what is here.
  void append(const SvgWriter& other);

  [[nodiscard]] Svg finish(double width, double height, std::string label) &&;

 private:
  void close(std::string_view element, std::string_view tooltip);

  std::string body_;
};

/// At most two decimals, no exponent: 12.5 -> "12.5", 3 -> "3". Throws InternalError unless finite.
std::string svg_number(double value);

}  // namespace dml::report
