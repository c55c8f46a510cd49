#include "runners/report/markdown.h"

#include <algorithm>
#include <cctype>

#include "runners/report/inline_text.h"
#include "runners/report/outline.h"

namespace dml::report {
namespace {

bool is_word(char character) {
  const auto byte = static_cast<unsigned char>(character);
  return byte >= 0x80 || std::isalnum(byte) != 0;
}

/// An underscore between letters is only an underscore: dml_engine.
bool is_inside_word(std::string_view text, std::size_t i) {
  return i > 0 && i + 1 < text.size() && is_word(text[i - 1]) && is_word(text[i + 1]);
}

std::string escape_plain(std::string_view text) {
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char character = text[i];
    const bool special = std::string_view("\\`*[]<>|~&$").find(character) != std::string_view::npos ||
                         (character == '_' && !is_inside_word(text, i));
    if (special) escaped += '\\';
    escaped += character;
  }
  return escaped;
}

std::size_t longest_run_of_backticks(std::string_view text) {
  std::size_t longest = 0;
  std::size_t run = 0;
  for (const char character : text) {
    run = character == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return longest;
}

std::string on_one_line(std::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\r', ' ');
  return line;
}

/// Within a line, where nothing has a meaning because of where it stands.
std::string inline_markdown(std::string_view text, bool in_table) {
  std::string markdown;
  for (const TextPiece& piece : inline_pieces(on_one_line(text))) {
    if (!piece.code) {
      markdown += escape_plain(piece.text);
      continue;
    }
    markdown += '`';
    for (const char character : piece.text) {
      if (in_table && character == '|') markdown += '\\';  // GitHub takes it away again, also within code
      markdown += character;
    }
    markdown += '`';
  }
  return markdown;
}

/// A line that must not become a heading, a list or a rule: "1. x", "- x", "# x", "=====". What only looks
/// like it
/// ("1.5x", "-0.3 points") stays as it is.
std::string line_markdown(std::string_view text) {
  std::string line = inline_markdown(text, false);
  line.erase(0, line.find_first_not_of(" \t"));
  const auto ends_marker = [&](std::size_t at) {
    return at >= line.size() || line[at] == ' ' || line[at] == '\t' || line[at] == line.front();
  };
  const std::size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  const bool numbered = digits > 0 && digits < line.size() && (line[digits] == '.' || line[digits] == ')');
  if (numbered && ends_marker(digits + 1)) {
    line.insert(digits, "\\");
  } else if (!line.empty() && std::string_view("#-+=").find(line.front()) != std::string_view::npos &&
             ends_marker(1)) {
    line.insert(0, "\\");
  }
  return line;
}

std::string fenced(std::string_view text, std::string_view language) {
  const std::string fence(std::max<std::size_t>(3, longest_run_of_backticks(text) + 1), '`');
  std::string block = fence + std::string(language) + "\n" + std::string(text);
  if (block.back() != '\n') block += '\n';
  return block + fence + "\n\n";
}

std::string table_line(const std::vector<std::string>& cells, std::size_t columns) {
  std::string line = "|";
  for (std::size_t c = 0; c < columns; ++c) {
    const bool filled = c < cells.size() && !cells[c].empty();
    line += " " + (filled ? inline_markdown(cells[c], true) : std::string("-")) + " |";
  }
  return line + "\n";
}

class MarkdownWriter {
 public:
  MarkdownWriter(const Document& document, std::string_view folder)
      : anchors_(outline(document)), folder_(folder) {
    if (!folder_.empty() && folder_.back() != '/') folder_ += '/';
    text_ = "# " + inline_markdown(document.title, false) + "\n\n";
    if (!document.subtitle.empty()) text_ += line_markdown(document.subtitle) + "\n\n";
  }

  void operator()(const Heading& block) {
    text_ += std::string(static_cast<std::size_t>(std::clamp(block.level, 2, 4)), '#') + " " +
             inline_markdown(block.text, false) + "\n\n";
  }
  void operator()(const Paragraph& block) { text_ += line_markdown(block.text) + "\n\n"; }
  void operator()(const Bullets& block) {
    for (const std::string& item : block.items) text_ += "- " + line_markdown(item) + "\n";
    if (!block.items.empty()) text_ += "\n";
  }
  void operator()(const Callout& block) { text_ += "> **" + inline_markdown(block.text, false) + "**\n\n"; }
  void operator()(const TableBlock& block) {
    std::size_t columns = block.header.size();
    for (const auto& row : block.rows) columns = std::max(columns, row.size());
    if (columns == 0) return;
    if (!block.caption.empty()) text_ += line_markdown(block.caption) + "\n\n";
    text_ += table_line(block.header, columns) + "|";
    for (std::size_t c = 0; c < columns; ++c)
      text_ += block.number_columns.count(c) > 0 ? " ---: |" : " --- |";
    text_ += "\n";
    for (const auto& row : block.rows) text_ += table_line(row, columns);
    text_ += "\n";
  }
  void operator()(const Figure& block) {
    const std::string& id = anchors_.figures.at(next_figure_++);
    text_ += "**" + inline_markdown(block.title, false) + "**\n\n";
    text_ += "![" + inline_markdown(block.drawing.wide.label, false) + "](" + folder_ + id + ".svg)\n\n";
    if (!block.how_to_read.empty()) {
      text_ += "*How to read:* " + inline_markdown(block.how_to_read, false) + "\n\n";
    }
    if (block.table) (*this)(*block.table);
    if (!block.command.empty()) text_ += "*To make it again:*\n\n" + fenced(block.command, "sh");
  }
  void operator()(const CodeBlock& block) {
    if (!block.caption.empty()) text_ += line_markdown(block.caption) + "\n\n";
    text_ += fenced(block.text, "");
  }
  void operator()(const SideBySide& block) {
    for (const SimpleBlock& simple : block.left) std::visit(*this, simple);
    for (const SimpleBlock& simple : block.right) std::visit(*this, simple);
  }

  [[nodiscard]] std::string take() {
    while (text_.size() > 1 && text_[text_.size() - 2] == '\n') text_.pop_back();
    return std::move(text_);
  }

 private:
  Outline anchors_;
  std::string folder_;
  std::size_t next_figure_ = 0;
  std::string text_;
};

}  // namespace

std::string to_markdown(const Document& document, std::string_view figure_folder) {
  MarkdownWriter writer(document, figure_folder);
  for (const Block& block : document.blocks) std::visit([&](const auto& kind) { writer(kind); }, block);
  return writer.take();
}

std::vector<FigureFile> figure_files(const Document& document) {
  const std::vector<std::string> ids = outline(document).figures;
  const std::vector<const Figure*> figures = figures_of(document);
  std::vector<FigureFile> files;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    files.push_back({ids.at(i) + ".svg", standalone_svg(figures[i]->drawing.wide)});
  }
  return files;
}

}  // namespace dml::report
