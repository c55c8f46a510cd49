// Wrapping: nothing is lost, and nothing is wider than asked.
#include "runners/report/text_size.h"

#include <gtest/gtest.h>

namespace dml::report {
namespace {

std::string without_blanks(const std::string& text) {
  std::string kept;
  for (const char c : text) {
    if (c != ' ') kept += c;
  }
  return kept;
}

TEST(TextWidth, GrowsWithTextSizeAndWeight) {
  EXPECT_DOUBLE_EQ(text_width("", 13), 0);
  EXPECT_LT(text_width("iii", 13), text_width("mmm", 13));
  EXPECT_DOUBLE_EQ(text_width("abc", 26), 2 * text_width("abc", 13));
  EXPECT_GT(text_width("abc", 13, true), text_width("abc", 13));
}

TEST(TextWidth, CountsCharactersNotBytes) {
  EXPECT_LT(text_width("\xC3\x97", 10), 10);      // a multiplication sign
  EXPECT_GE(text_width("\xE6\xBC\xA2", 10), 10);  // a wide character, once
  EXPECT_LT(text_width("\xE6\xBC\xA2", 10), 15);
}

TEST(WrapText, LosesNothingAndKeepsToTheWidth) {
  for (const std::string text : {"data-parallel, allgather, dirichlet:alpha=0.1", "single", "",
                                 "MWMWMWMWMWMWMWMWMWMWMWMWMWMWMWMWMWMWMWMW", "a  b", "x=1,y=2,z=3",
                                 "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"}) {
    for (const double width : {30.0, 60.0, 120.0, 1000.0}) {
      const std::vector<std::string> lines = wrap_text(text, 13, width);
      ASSERT_FALSE(lines.empty());
      std::string joined;
      for (const std::string& line : lines) {
        EXPECT_LE(text_width(line, 13), width) << text;
        joined += line;
      }
      EXPECT_EQ(without_blanks(joined), without_blanks(text));
    }
  }
}

TEST(WrapText, BreaksWhereReadersExpectIt) {
  const double width = text_width("data-parallel,", 13);
  EXPECT_EQ(wrap_text("data-parallel, allreduce", 13, width),
            (std::vector<std::string>{"data-parallel,", "allreduce"}));
  EXPECT_EQ(wrap_text("short", 13, 1000).size(), 1U);
}

}  // namespace
}  // namespace dml::report
