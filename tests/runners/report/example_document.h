// One document with every kind of block, and characters that mean something in HTML or Markdown.
#pragma once

#include <string>
#include <vector>

#include "runners/report/document.h"
#include "runners/report/figures/bars.h"

namespace dml::report {

inline Document example_document() {
  const Bars plot{
      .label = "Speed-up of <two> arms", .axis = "speed-up", .bars = {{"a", 0, 1}, {"b", 1, 1.5}}};
  Figure figure{.id = "speed-up",
                .title = "Speed-up & more",
                .drawing = draw(bars, plot),
                .how_to_read = "Longer is faster.",
                .command = "dml_engine study --arms 'single' && true",
                .table = TableBlock{{"arm", "speed-up"}, {{"a", "1.00"}, {"b", "1.50"}}, {1}}};
  Document document{"Is <parallel> worth it?", "2 ranks & 5 \"seeds\"", {}};
  document.blocks = {
      SideBySide{{Callout{"Yes: `1.5x` on *two* ranks."}}, {figure}},
      Heading{2, "What <it> reaches"},
      Paragraph{"It's a_b and _c_, [not] a | link; dml_engine uses `a|b`."},
      Bullets{{"1. first & foremost", "# not a heading", "a lone ` backtick"}},
      Heading{3, "What <it> reaches"},
      TableBlock{{"a|b", "x", "y"}, {{"<td>", "1", "2"}, {"`p|q`", "3"}}, {1, 2}, "All of them | really"},
      Heading{2, "Speed-up"},
      figure,
      Heading{2, "Again", "again"},
      CodeBlock{"echo \"```\" < in > out\n", "In a shell:"},
  };
  return document;
}

/// What a reader sees of it.
inline std::vector<std::string> example_texts() {
  return {"Is <parallel> worth it?",
          "2 ranks & 5 \"seeds\"",
          "Yes: ",
          "1.5x",
          " on *two* ranks.",
          "What <it> reaches",
          "It's a_b and _c_, [not] a | link; dml_engine uses ",
          "a|b",
          "1. first & foremost",
          "# not a heading",
          "a lone ` backtick",
          "<td>",
          "p|q",
          "All of them | really",
          "Speed-up & more",
          "Longer is faster.",
          "echo \"```\" < in > out\n",
          "In a shell:"};
}

}  // namespace dml::report
