#include "runners/report/html.h"

#include <algorithm>
#include <variant>

#include "runners/report/inline_text.h"
#include "runners/report/outline.h"
#include "runners/report/page_style.h"
#include "runners/report/style.h"

namespace dml::report {
namespace {

constexpr const char* kNone = "<span class=\"none\">\u2013</span>";

std::string inline_html(std::string_view text) {
  std::string html;
  for (const TextPiece& piece : inline_pieces(text)) {
    html += piece.code ? "<code>" + escape_xml(piece.text) + "</code>" : escape_xml(piece.text);
  }
  return html;
}

/// For places that hold text alone: a title, a label.
std::string plain_text(std::string_view text) {
  std::string plain;
  for (const TextPiece& piece : inline_pieces(text)) plain += piece.text;
  return escape_xml(plain);
}

class HtmlWriter {
 public:
  explicit HtmlWriter(Outline anchors) : anchors_(std::move(anchors)) {}

  void operator()(const Heading& block) {
    const HeadingAnchor& anchor = anchors_.headings.at(next_heading_++);
    const std::string tag = "h" + std::to_string(anchor.level);
    html_ += "<" + tag + " id=\"" + anchor.id + "\">" + inline_html(block.text) + "</" + tag + ">\n";
  }
  void operator()(const Paragraph& block) { html_ += "<p>" + inline_html(block.text) + "</p>\n"; }
  void operator()(const Bullets& block) {
    if (block.items.empty()) return;
    html_ += "<ul>\n";
    for (const std::string& item : block.items) html_ += "<li>" + inline_html(item) + "</li>\n";
    html_ += "</ul>\n";
  }
  void operator()(const Callout& block) {
    html_ += "<p class=\"callout\">" + inline_html(block.text) + "</p>\n";
  }
  void operator()(const TableBlock& block) { write_table(block, "Table"); }
  void operator()(const CodeBlock& block) {
    if (!block.caption.empty()) html_ += "<p class=\"caption\">" + inline_html(block.caption) + "</p>\n";
    write_code(block.text);
  }
  void operator()(const Figure& block) {
    const std::string& id = anchors_.figures.at(next_figure_++);
    html_ += "<figure id=\"" + id + "\" aria-labelledby=\"" + id + "--title\">\n";
    html_ += "<p class=\"figure-title\" id=\"" + id + "--title\">" + inline_html(block.title) + "</p>\n";
    const bool both = !block.drawing.narrow.empty();
    html_ += both ? "<div class=\"drawing\">\n" : "<div class=\"drawing wide-only\" tabindex=\"0\">\n";
    html_ += inline_svg(block.drawing.wide, "wide");
    if (both) html_ += inline_svg(block.drawing.narrow, "narrow");
    html_ += "</div>\n";
    write_caption(block);
    html_ += "</figure>\n";
  }
  void operator()(const SideBySide& block) {
    html_ += "<div class=\"side-by-side\">\n";
    for (const auto* side : {&block.left, &block.right}) {
      html_ += "<div class=\"side\">\n";
      for (const SimpleBlock& simple : *side) std::visit(*this, simple);
      html_ += "</div>\n";
    }
    html_ += "</div>\n";
  }

  [[nodiscard]] std::string take() { return std::move(html_); }

 private:
  void write_code(std::string_view text) { html_ += "<pre><code>" + escape_xml(text) + "</code></pre>\n"; }

  void write_caption(const Figure& block) {
    if (block.how_to_read.empty() && block.command.empty() && !block.table) return;
    html_ += "<figcaption>\n";
    if (!block.how_to_read.empty()) {
      html_ += "<p><strong>How to read</strong> " + inline_html(block.how_to_read) + "</p>\n";
    }
    if (block.table) {
      html_ += "<details>\n<summary>The numbers drawn</summary>\n";
      write_table(*block.table, "The numbers drawn");
      html_ += "</details>\n";
    }
    if (!block.command.empty()) {
      html_ += "<p class=\"command\"><strong>To make it again</strong> <code>" + escape_xml(block.command) +
               "</code></p>\n";
    }
    html_ += "</figcaption>\n";
  }

  /// A wide table scrolls in its box, which therefore takes the keyboard's focus.
  void write_table(const TableBlock& block, std::string_view name) {
    std::size_t columns = block.header.size();
    for (const auto& row : block.rows) columns = std::max(columns, row.size());
    if (columns == 0) return;
    const std::string label = block.caption.empty() ? escape_xml(name) : plain_text(block.caption);
    // Not a <caption>, which would be as wide as the table and scroll with it.
    if (!block.caption.empty()) html_ += "<p class=\"caption\">" + inline_html(block.caption) + "</p>\n";
    html_ += R"(<div class="table" role="region" tabindex="0" aria-label=")" + label + "\">\n<table>\n";
    if (!block.header.empty()) {
      html_ += "<thead>\n";
      write_row(block, block.header, columns, "th");
      html_ += "</thead>\n";
    }
    html_ += "<tbody>\n";
    for (const auto& row : block.rows) write_row(block, row, columns, "td");
    html_ += "</tbody>\n</table>\n</div>\n";
  }

  void write_row(const TableBlock& block, const std::vector<std::string>& cells, std::size_t columns,
                 const std::string& tag) {
    html_ += "<tr>";
    for (std::size_t c = 0; c < columns; ++c) {
      const std::string number = block.number_columns.count(c) > 0 ? " class=\"number\"" : "";
      const std::string scope = tag == "th" ? " scope=\"col\"" : "";
      const bool filled = c < cells.size() && !cells[c].empty();
      const std::string nothing = tag == "th" ? "" : kNone;
      html_ +=
          "<" + tag + scope + number + ">" + (filled ? inline_html(cells[c]) : nothing) + "</" + tag + ">";
    }
    html_ += "</tr>\n";
  }

  Outline anchors_;
  std::size_t next_heading_ = 0, next_figure_ = 0;
  std::string html_;
};

std::string contents(const Outline& outline) {
  if (outline.headings.size() < 2) return {};
  std::string html = "<nav aria-label=\"Contents\">\n<p>Contents</p>\n<ul>\n";
  for (const HeadingAnchor& heading : outline.headings) {
    if (heading.level > 3) continue;
    html += "<li class=\"level-" + std::to_string(heading.level) + "\"><a href=\"#" + heading.id + "\">" +
            inline_html(heading.text) + "</a></li>\n";
  }
  return html + "</ul>\n</nav>\n";
}

}  // namespace

std::string to_html(const Document& document) {
  const Outline anchors = outline(document);
  std::string html = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>)" + plain_text(document.title) +
                     "</title>\n<style>\n" + figure_style() + page_style() + "</style>\n</head>\n<body>\n";
  html += "<a class=\"skip\" href=\"#report--main\">Skip to the report</a>\n<div class=\"page\">\n";
  html += "<header>\n<h1>" + inline_html(document.title) + "</h1>\n";
  if (!document.subtitle.empty())
    html += "<p class=\"subtitle\">" + inline_html(document.subtitle) + "</p>\n";
  html += "</header>\n" + contents(anchors) + "<main id=\"report--main\">\n";
  HtmlWriter writer(anchors);
  for (const Block& block : document.blocks) std::visit(writer, block);
  return html + writer.take() + "</main>\n</div>\n</body>\n</html>\n";
}

}  // namespace dml::report
