// Markdown: escaped, in order, with a file for every link.
#include "runners/report/markdown.h"

#include <gtest/gtest.h>
#include <sstream>

#include "tests/runners/report/drawings.h"
#include "tests/runners/report/example_document.h"

namespace dml::report {
namespace {

std::string markdown_of(const Block& block) {
  const Document document{"t", "", {block}};
  const std::string text = to_markdown(document, "figures");
  EXPECT_EQ(text.substr(0, 5), "# t\n\n");
  return text.substr(5);
}

/// Bars that part cells: those that are not escaped.
std::size_t separators(const std::string& line) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    count += line[i] == '|' && (i == 0 || line[i - 1] != '\\') ? 1 : 0;
  }
  return count;
}

TEST(Markdown, EscapesWhatHasAMeaningAnywhere) {
  EXPECT_EQ(markdown_of(Paragraph{"a*b [c] <d> & e_f _g_ \\ ~h~ $i$"}),
            "a\\*b \\[c\\] \\<d\\> \\& e_f \\_g\\_ \\\\ \\~h\\~ \\$i\\$\n");
  EXPECT_EQ(markdown_of(Paragraph{"run `a*b_c <x>` now"}), "run `a*b_c <x>` now\n");
  EXPECT_EQ(markdown_of(Paragraph{"a lone ` backtick"}), "a lone \\` backtick\n");
}

TEST(Markdown, EscapesWhatHasAMeaningAtTheStartOfALine) {
  EXPECT_EQ(markdown_of(Paragraph{"# x"}), "\\# x\n");
  EXPECT_EQ(markdown_of(Paragraph{"- x"}), "\\- x\n");
  EXPECT_EQ(markdown_of(Paragraph{"+ x"}), "\\+ x\n");
  EXPECT_EQ(markdown_of(Paragraph{"12. x"}), "12\\. x\n");
  EXPECT_EQ(markdown_of(Paragraph{"---"}), "\\---\n");
  EXPECT_EQ(markdown_of(Paragraph{"1.5x faster"}), "1.5x faster\n");
  EXPECT_EQ(markdown_of(Paragraph{"-0.3 points"}), "-0.3 points\n");
  EXPECT_EQ(markdown_of(Paragraph{"a\n# b"}), "a # b\n");
  EXPECT_EQ(markdown_of(Paragraph{"    indented"}), "indented\n");
}

TEST(Markdown, KeepsEveryTableRowAtAsManyCells) {
  const std::string text =
      markdown_of(TableBlock{{"a|b", "x\ny"}, {{"`p|q`", "1"}, {"", "2"}, {"only one"}}, {1}});
  std::istringstream lines(text);
  std::vector<std::string> read;
  for (std::string line; std::getline(lines, line);) {
    read.push_back(line);
    EXPECT_EQ(separators(line), 3U) << line;
  }
  EXPECT_EQ(read, (std::vector<std::string>{"| a\\|b | x y |", "| --- | ---: |", "| `p\\|q` | 1 |",
                                            "| - | 2 |", "| only one | - |"}));
}

TEST(Markdown, FencesCodeThatHoldsFences) {
  EXPECT_EQ(markdown_of(CodeBlock{"a\n````\nb"}), "`````\na\n````\nb\n`````\n");
  EXPECT_EQ(markdown_of(CodeBlock{"a\n", "Run:"}), "Run:\n\n```\na\n```\n");
}

TEST(Markdown, WritesBlocksInOrder) {
  const std::string text = to_markdown(example_document(), "figures");
  std::size_t from = 0;
  for (const char* part :
       {"# Is \\<parallel\\> worth it?", "> **Yes: `1.5x`", "**Speed-up \\& more**",
        "![Speed-up of \\<two\\> arms](figures/speed-up.svg)", "*How to read:* Longer is faster.",
        "| b | 1.50 |", "dml_engine study --arms 'single' && true", "## What \\<it\\> reaches",
        "- 1\\. first", "- \\# not", "### What", "All of them", "## Speed-up", "(figures/speed-up-3.svg)",
        "## Again", "````\necho"}) {
    const std::size_t at = text.find(part, from);
    ASSERT_NE(at, std::string::npos) << part << "\n" << text;
    from = at;
  }
}

TEST(FigureFiles, AreWhatTheMarkdownLinksTo) {
  const std::string text = to_markdown(example_document(), "some/folder/");
  const std::vector<FigureFile> files = figure_files(example_document());
  ASSERT_EQ(files.size(), 2U);
  EXPECT_NE(files[0].name, files[1].name);
  for (const FigureFile& file : files) {
    EXPECT_TRUE(contains(text, "(some/folder/" + file.name + ")")) << file.name;
    const Element svg = parse_xml(file.text);
    EXPECT_TRUE(contains(all_named(svg, "style").at(0).text, "prefers-color-scheme: dark"));
    EXPECT_TRUE(contains(all_text(svg), "1.5"));
  }
  EXPECT_TRUE(contains(to_markdown(example_document(), ""), "](speed-up.svg)"));
}

TEST(FigureFiles, HaveNamesThatAreSafeInAnyFolder) {
  Document document{"t", "", {Figure{.id = "../A b/<c>.svg"}, Figure{.title = "Title"}, Figure{}}};
  const std::vector<FigureFile> files = figure_files(document);
  EXPECT_EQ(files.at(0).name, "a-b-c-svg.svg");
  EXPECT_EQ(files.at(1).name, "title.svg");
  EXPECT_EQ(files.at(2).name, "part.svg");
}

}  // namespace
}  // namespace dml::report
