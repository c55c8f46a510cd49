// A report as data: what it says, in which order, with no word about how a page or a file looks.
//
// Text is plain text; the one piece of markup is `code` between backticks. html.h and markdown.h escape
// everything else, so a text may hold any character.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runners/report/svg.h"

namespace dml::report {

/// Level 2 for sections and 3 for parts of them; the document's title is level 1.
struct Heading {
  int level = 2;
  std::string text;
  std::string id = {};  ///< of its anchor; made from the text when empty
};

struct Paragraph {
  std::string text;
};

struct Bullets {
  std::vector<std::string> items;
};

/// The answer in one sentence, shown large.
struct Callout {
  std::string text;
};

/// A cell that was not measured is an empty string and shown as a dash.
struct TableBlock {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::set<std::size_t> number_columns = {};  ///< flush right, digits of equal width
  std::string caption = {};
};

/// A drawing and what a reader needs beside it.
struct Figure {
  std::string id = {};  ///< names its anchor and its file beside the Markdown: figures/ID.svg
  std::string title = {};
  Drawing drawing = {};
  std::string how_to_read = {};  ///< shown after the words "How to read"; nothing when empty
  std::string command = {};      ///< that makes it again; nothing when empty
  std::optional<TableBlock> table = std::nullopt;  ///< the numbers drawn
};

struct CodeBlock {
  std::string text;
  std::string caption = {};
};

using SimpleBlock = std::variant<Heading, Paragraph, Bullets, Callout, TableBlock, Figure, CodeBlock>;

/// Next to each other where the page is wide enough, left before right elsewhere.
struct SideBySide {
  std::vector<SimpleBlock> left, right;
};

using Block = std::variant<Heading, Paragraph, Bullets, Callout, TableBlock, Figure, CodeBlock, SideBySide>;

struct Document {
  std::string title;
  std::string subtitle;
  std::vector<Block> blocks;
};

}  // namespace dml::report
