// Writing of elements: escaping, numbers, files.
#include "runners/report/svg.h"

#include <gtest/gtest.h>
#include <limits>
#include <utility>

#include "kernels/base/error.h"
#include "runners/report/palette.h"
#include "tests/runners/report/drawings.h"

namespace dml::report {
namespace {

TEST(EscapeXml, LeavesNoCharacterWithAMeaning) {
  EXPECT_EQ(escape_xml("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(escape_xml("1 \xC3\x97 16 \xF0\x9F\x8E\x89"), "1 \xC3\x97 16 \xF0\x9F\x8E\x89");
}

TEST(EscapeXml, ReplacesWhatXmlOrUtf8DoNotAllow) {
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(escape_xml(std::string("a\0b", 3)), "a" + replaced + "b");
  EXPECT_EQ(escape_xml("\x1B[1m"), replaced + "[1m");
  EXPECT_EQ(escape_xml("\xFF"), replaced);
  EXPECT_EQ(escape_xml("\xC3"), replaced);                                // cut off
  EXPECT_EQ(escape_xml("\xC0\xAF"), replaced + replaced);                 // overlong
  EXPECT_EQ(escape_xml("\xED\xA0\x80"), replaced + replaced + replaced);  // a surrogate
  EXPECT_EQ(escape_xml("\xEF\xBF\xBF"), replaced);                        // U+FFFF
}

TEST(SvgNumber, IsShortAndPlain) {
  EXPECT_EQ(svg_number(3), "3");
  EXPECT_EQ(svg_number(12.5), "12.5");
  EXPECT_EQ(svg_number(100), "100");
  EXPECT_EQ(svg_number(-0.001), "0");
  EXPECT_EQ(svg_number(1e-9), "0");
  EXPECT_EQ(svg_number(2.0 / 3), "0.67");
}

TEST(SvgNumber, RefusesWhatIsNotFinite) {
  EXPECT_THROW(svg_number(std::numeric_limits<double>::quiet_NaN()), InternalError);
  EXPECT_THROW(svg_number(std::numeric_limits<double>::infinity()), InternalError);
}

TEST(SvgWriter, EscapesTextsTooltipsAndLabels) {
  const std::string nasty = "<b class=\"x\">&'</b>";
  SvgWriter writer;
  writer.text(1, 2, nasty);
  writer.rect(0, 0, 5, 5, "fill", nasty);
  const Element svg = parse_svg(std::move(writer).finish(10, 10, nasty));
  EXPECT_EQ(svg.attribute("aria-label"), nasty);
  EXPECT_EQ(all_named(svg, "text").at(0).text, nasty);
  EXPECT_EQ(all_named(svg, "title").at(0).text, nasty);
}

TEST(StandaloneSvg, BringsItsStyleForLightAndDark) {
  SvgWriter writer;
  writer.text(1, 2, "x");
  const std::string file = standalone_svg(std::move(writer).finish(10, 20, "label"));
  const Element svg = parse_xml(file);
  EXPECT_EQ(svg.attribute("viewBox"), "-16 -16 42 52");
  EXPECT_EQ(all_of_class(svg, "paper").at(0).attribute("width"), "42");
  const std::string style = all_named(svg, "style").at(0).text;
  EXPECT_TRUE(contains(style, "prefers-color-scheme: dark"));
  EXPECT_EQ(file.find("http"), file.find("http://www.w3.org/2000/svg"));
  EXPECT_EQ(file.find("http"), file.rfind("http"));
}

TEST(Palette, KeepsAColorPerArmAndMarksRepetitions) {
  EXPECT_EQ(arm_class(3), "arm-3");
  EXPECT_EQ(arm_class(kArmColors + 3), "arm-3");
  EXPECT_FALSE(arm_is_dashed(7));
  EXPECT_TRUE(arm_is_dashed(8));
}

TEST(Palette, HeatStepsGrowWithTheValueAndEndWhereTheySay) {
  EXPECT_EQ(heat_step(0, 100), 0);
  EXPECT_EQ(heat_step(1e-6, 100), 1);
  EXPECT_EQ(heat_step(100, 100), kHeatSteps);
  EXPECT_EQ(heat_step(0, 0), 0);
  for (int step = 1; step <= kHeatSteps; ++step) {
    EXPECT_EQ(heat_step(heat_step_end(step, 6400), 6400), step);
    if (step < kHeatSteps) {
      EXPECT_EQ(heat_step(heat_step_end(step, 6400) + 1, 6400), step + 1);
    }
  }
}

}  // namespace
}  // namespace dml::report
