#include "runners/report/svg.h"

#include <cmath>
#include <cstdio>
#include <utility>

#include "kernels/base/error.h"
#include "runners/report/style.h"
#include "runners/report/unicode.h"

namespace dml::report {
namespace {

bool is_xml_character(char32_t code_point) {
  if (code_point < ' ') return code_point == '\t' || code_point == '\n' || code_point == '\r';
  return code_point != 0xFFFE && code_point != 0xFFFF;
}

std::string attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=\"" + escape_xml(value) + "\"";
}

std::string attribute(std::string_view name, double value) {
  return attribute(name, svg_number(value));
}

std::string class_attribute(std::string_view css_class) {
  return css_class.empty() ? std::string() : attribute("class", css_class);
}

/// margin: around the drawing, of the same paper.
std::string open_svg(const Svg& svg, std::string_view css_class, double margin) {
  const double width = svg.width + 2 * margin;
  const double height = svg.height + 2 * margin;
  const std::string corner = svg_number(-margin) + " " + svg_number(-margin);
  return R"(<svg xmlns="http://www.w3.org/2000/svg")" +
         attribute("viewBox", corner + " " + svg_number(width) + " " + svg_number(height)) +
         attribute("width", width) + attribute("height", height) + class_attribute(css_class) +
         R"( role="img")" + attribute("aria-label", svg.label) + ">\n";
}

}  // namespace

std::string svg_number(double value) {
  DML_ASSERT(std::isfinite(value), "a coordinate of a drawing must be finite");
  char text[512];
  std::snprintf(text, sizeof text, "%.2f", value);
  std::string number = text;
  number.erase(number.find_last_not_of('0') + 1);
  if (number.back() == '.') number.pop_back();
  return number == "-0" ? "0" : number;
}

std::string escape_xml(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const char32_t code_point = take_code_point(text);
    switch (code_point) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        append_utf8(escaped, is_xml_character(code_point) ? code_point : 0xFFFD);
    }
  }
  return escaped;
}

std::string inline_svg(const Svg& svg, std::string_view css_class) {
  return open_svg(svg, css_class, 0) + svg.body + "</svg>\n";
}

std::string standalone_svg(const Svg& svg) {
  constexpr double kMargin = 16;
  SvgWriter paper;
  paper.rect(-kMargin, -kMargin, svg.width + 2 * kMargin, svg.height + 2 * kMargin, "paper");
  return open_svg(svg, {}, kMargin) + "<style>\n" + figure_style() + "</style>\n" +
         std::move(paper).finish(0, 0, {}).body + svg.body + "</svg>\n";
}

void SvgWriter::line(double x1, double y1, double x2, double y2, std::string_view css_class) {
  body_ += "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) + attribute("y2", y2) +
           class_attribute(css_class) + "/>\n";
}

void SvgWriter::rect(double x, double y, double width, double height, std::string_view css_class,
                     std::string_view tooltip) {
  body_ += "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", width) +
           attribute("height", height) + class_attribute(css_class);
  close("rect", tooltip);
}

void SvgWriter::circle(double x, double y, double radius, std::string_view css_class,
                       std::string_view tooltip) {
  body_ += "<circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", radius) +
           class_attribute(css_class);
  close("circle", tooltip);
}

void SvgWriter::path(std::string_view path, std::string_view css_class, std::string_view tooltip) {
  body_ += "<path" + attribute("d", path) + class_attribute(css_class);
  close("path", tooltip);
}

void SvgWriter::text(double x, double y, std::string_view text, const TextStyle& style) {
  body_ += "<text" + attribute("x", x) + attribute("y", y) + attribute("font-size", style.size);
  if (style.anchor == Anchor::middle) body_ += attribute("text-anchor", "middle");
  if (style.anchor == Anchor::end) body_ += attribute("text-anchor", "end");
  if (style.bold) body_ += attribute("font-weight", "600");
  body_ += class_attribute(style.css_class) + ">" + escape_xml(text) + "</text>\n";
}

void SvgWriter::append(const SvgWriter& other) {
  body_ += other.body_;
}

Svg SvgWriter::finish(double width, double height, std::string label) && {
  return {width, height, std::move(label), std::move(body_)};
}

void SvgWriter::close(std::string_view element, std::string_view tooltip) {
  if (tooltip.empty()) {
    body_ += "/>\n";
  } else {
    body_ += "><title>" + escape_xml(tooltip) + "</title></" + std::string(element) + ">\n";
  }
}

}  // namespace dml::report
