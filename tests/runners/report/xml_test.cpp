// The reader refuses what the other tests rely on it to refuse.
#include "tests/runners/report/xml.h"

#include <gtest/gtest.h>
#include <stdexcept>

namespace dml::report {
namespace {

TEST(Xml, ReadsElementsAttributesAndEntities) {
  const Element root = parse_xml("<a b=\"1 &lt; 2\">x &amp; y<c class=\"p q\"/><c>z</c></a>\n");
  EXPECT_EQ(root.attribute("b"), "1 < 2");
  EXPECT_EQ(root.text, "x & y");
  EXPECT_EQ(all_named(root, "c").size(), 2U);
  EXPECT_EQ(all_of_class(root, "q").size(), 1U);
  EXPECT_TRUE(all_of_class(root, "p q").empty());
}

TEST(Xml, RefusesWhatIsNotWellFormed) {
  for (const char* text :
       {"", "<a>", "<a></b>", "<a b=1/>", "<a b=\"1\" b=\"2\"/>", "<a b=\"<\"/>", "<a>&</a>", "<a>&nbsp;</a>",
        "<a>1 > 0</a>", "<a/><b/>", "<a b=\"1\"c=\"2\"/>", "<a>\x01</a>", "<1/>"}) {
    EXPECT_THROW(parse_xml(text), std::runtime_error) << text;
  }
}

}  // namespace
}  // namespace dml::report
