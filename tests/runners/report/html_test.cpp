// The page: one file, well-formed, everything in it, nothing fetched.
#include "runners/report/html.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

#include "runners/report/figures/bars.h"
#include "tests/runners/report/drawings.h"
#include "tests/runners/report/example_document.h"

namespace dml::report {
namespace {

/// The page as XML; without its first line, which is HTML's own.
Element parse_page(const std::string& html) {
  const std::string type = "<!DOCTYPE html>\n";
  EXPECT_EQ(html.substr(0, type.size()), type);
  return parse_xml(html.substr(type.size()));
}

std::string deep_text(const Element& element) {
  std::string text = element.text;
  for (const Element& child : element.children) text += "\n" + deep_text(child);
  return text;
}

TEST(Html, IsWellFormedWithLanguageEncodingAndViewport) {
  const Element page = parse_page(to_html(example_document()));
  EXPECT_EQ(page.attribute("lang"), "en");
  const std::vector<Element> meta = all_named(page, "meta");
  EXPECT_EQ(meta.at(0).attribute("charset"), "utf-8");
  EXPECT_EQ(meta.at(1).attribute("name"), "viewport");
  EXPECT_TRUE(all_named(page, "script").empty());
  EXPECT_EQ(all_named(page, "h1").size(), 1U);
  EXPECT_EQ(all_named(page, "main").size(), 1U);
}

TEST(Html, FetchesNothing) {
  std::string html = to_html(example_document());
  const std::string name_space = "xmlns=\"http://www.w3.org/2000/svg\"";
  for (std::size_t at = html.find(name_space); at != std::string::npos; at = html.find(name_space)) {
    html.erase(at, name_space.size());
  }
  for (const char* word :
       {"http:", "https:", "url(", "@import", "src=", "<link", "<script", "<iframe", "<img"}) {
    EXPECT_FALSE(contains(html, word)) << word;
  }
}

TEST(Html, HoldsEveryTextEscaped) {
  const std::string text = deep_text(parse_page(to_html(example_document())));
  for (const std::string& each : example_texts()) EXPECT_TRUE(contains(text, each)) << each;
}

TEST(Html, FollowsTheThemeThePaperAndThePhone) {
  const std::string html = to_html(example_document());
  for (const char* query : {"prefers-color-scheme: dark", "@media print", "max-width: 40rem", "size: A4"}) {
    EXPECT_TRUE(contains(html, query)) << query;
  }
}

TEST(Html, GivesEveryBlockAnAnchorOfItsOwnAndTheContentsPointAtThem) {
  const Element page = parse_page(to_html(example_document()));
  std::set<std::string> ids;
  const auto collect = [&](const auto& self, const Element& element) -> void {
    const std::string id = element.attribute("id");
    if (!id.empty()) {
      EXPECT_TRUE(ids.insert(id).second) << id;
    }
    for (const Element& child : element.children) self(self, child);
  };
  collect(collect, page);
  const std::vector<Element> links = all_named(all_named(page, "nav").at(0), "a");
  EXPECT_EQ(links.size(), 4U);
  for (const Element& link : links) EXPECT_EQ(ids.count(link.attribute("href").substr(1)), 1U) << link.text;
}

TEST(Html, ShowsBothDrawingsHowToReadThemTheirNumbersAndTheirCommand) {
  const Element page = parse_page(to_html(example_document()));
  const Element figure = all_named(page, "figure").at(0);
  EXPECT_EQ(figure.attribute("id"), "speed-up");
  const std::vector<Element> drawings = all_named(figure, "svg");
  ASSERT_EQ(drawings.size(), 2U);
  EXPECT_TRUE(drawings[0].has_class("wide"));
  EXPECT_TRUE(drawings[1].has_class("narrow"));
  const Element caption = all_named(figure, "figcaption").at(0);
  const std::string text = deep_text(caption);
  EXPECT_TRUE(contains(text, "How to read"));
  EXPECT_TRUE(contains(text, "Longer is faster."));
  EXPECT_TRUE(contains(text, "dml_engine study --arms 'single' && true"));
  EXPECT_EQ(all_named(caption, "table").size(), 1U);
}

TEST(Html, AlignsNumbersAndMarksCellsThatWereNotMeasured) {
  const Element page = parse_page(to_html(example_document()));
  const Element table = all_named(page, "table").at(1);
  // Beside the box that scrolls, and not in it.
  const std::vector<Element> captions = all_of_class(page, "caption");
  EXPECT_TRUE(std::any_of(captions.begin(), captions.end(),
                          [](const Element& caption) { return caption.text == "All of them | really"; }));
  EXPECT_TRUE(all_named(table, "caption").empty());
  const std::vector<Element> cells = all_named(table, "td");
  ASSERT_EQ(cells.size(), 6U);  // the second row is shorter than the header
  EXPECT_FALSE(cells[0].has_class("number"));
  EXPECT_TRUE(cells[1].has_class("number"));
  EXPECT_EQ(all_of_class(cells[5], "none").size(), 1U);
}

TEST(Html, IsDeterministicAndBearsAnEmptyDocument) {
  EXPECT_EQ(to_html(example_document()), to_html(example_document()));
  const Element page = parse_page(to_html({}));
  EXPECT_TRUE(all_named(page, "nav").empty());
  Document hollow{
      "t", "", {Bullets{}, TableBlock{}, Paragraph{}, SideBySide{}, Figure{}, CodeBlock{}, Heading{}}};
  EXPECT_NO_THROW(parse_page(to_html(hollow)));
}

}  // namespace
}  // namespace dml::report
