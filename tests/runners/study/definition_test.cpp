// Study files: what they say, and what is said about those that say nothing sensible.
#include "runners/study/definition.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "tests/runners/study/made_up_study.h"

namespace dml {
namespace {

using testing::BadStudy;
using Words = std::vector<std::string>;

StudyDefinition parse(const std::string& text) {
  return parse_study(text, "lab.study", StudySource::file);
}

TEST(StudyFile, HoldsDefaultsSectionsAndAxes) {
  const StudyDefinition study = parse(
      "# a comment\n"
      "question = Why?   # another\n"
      "epochs = 2\r\n"
      "seeds = 0..2 7\n"
      "\n"
      "[first]\n"
      "question = Does it matter?\n"
      "sampler = balanced   dirichlet:alpha=0.1,min=5\n"
      "baseline = sampler=balanced\n"
      "[second-one]\n"
      "mode=model-parallel\n");
  EXPECT_EQ(study.question, "Why?");
  EXPECT_EQ(study.seeds, (std::vector<std::uint64_t>{0, 1, 2, 7}));
  ASSERT_EQ(study.defaults.size(), 1U);
  EXPECT_EQ(study.defaults[0].key, "epochs");
  ASSERT_EQ(study.sections.size(), 2U);
  EXPECT_EQ(study.sections[0].question, "Does it matter?");
  EXPECT_EQ(study.sections[0].settings[0].values, (Words{"balanced", "dirichlet:alpha=0.1,min=5"}));
  EXPECT_EQ(study.sections[0].settings[0].origin, "lab.study, line 8, sampler");
  EXPECT_EQ(study.sections[0].baseline.values, (Words{"sampler=balanced"}));
  EXPECT_EQ(study.sections[1].name, "second-one");
}

TEST(StudyGrid, IsAStudyInOneLine) {
  const StudyDefinition study =
      parse_study("mode=data-parallel; sampler=balanced random; seeds=3", "--grid", StudySource::grid);
  ASSERT_EQ(study.sections.size(), 1U);
  EXPECT_EQ(study.sections[0].settings.size(), 2U);
  EXPECT_EQ(study.seeds, (std::vector<std::uint64_t>{3}));
  EXPECT_TRUE(study.defaults.empty());
}

TEST(StudyFile, WithoutSeedsHasOne) {
  EXPECT_EQ(parse("mode = single data-parallel\n").seeds, (std::vector<std::uint64_t>{0}));
}

TEST(StudyFile, AFlagOverridesItEverywhere) {
  StudyDefinition study = parse("epochs = 2\n[a]\nepochs = 5\nmode = single\n");
  override_setting(study, "epochs", "1");
  EXPECT_EQ(study.defaults.back().values, (Words{"1"}));
  EXPECT_EQ(study.sections[0].settings.size(), 1U);
}

class BadStudyFile : public ::testing::TestWithParam<BadStudy> {};

TEST_P(BadStudyFile, IsRefusedWithLineKeyAndFix) {
  testing::expect_refused(GetParam(), [](const std::string& text) { parse(text); });
}

INSTANTIATE_TEST_SUITE_P(
    Lines, BadStudyFile,
    ::testing::Values(
        BadStudy{"epochs 2\n", {"lab.study, line 1", "epochs 2", "KEY = VALUE"}},
        BadStudy{"\n\nepochs =\n", {"line 3, epochs", "value is missing"}},
        BadStudy{"epoch = 2\n", {"line 1, epoch", "Did you mean epochs?"}},
        BadStudy{"zzzzzz = 2\n", {"line 1, zzzzzz", "Keys are"}}, BadStudy{"seed = 2\n", {"seeds = 0..4"}},
        BadStudy{"batch-per-rank = 2\n", {"batch-policy = per-rank"}},
        BadStudy{"run-dir = x\n", {"line 1, run-dir", "belongs to single runs"}},
        BadStudy{"[]\n", {"line 1", "is no section"}}, BadStudy{"[a b]\n", {"line 1", "is no section"}},
        BadStudy{"[a\n", {"line 1", "is no section"}},
        BadStudy{"[a]\n[b]\n[a]\n", {"line 3", "there already"}},
        BadStudy{"[a]\nseeds = 1\n", {"line 2, seeds", "before the first"}},
        BadStudy{"seeds = x\n", {"line 1, seeds", "no seed"}},
        BadStudy{"seeds = -1\n", {"line 1, seeds", "no seed"}},
        BadStudy{"seeds = 4..0\n", {"line 1, seeds", "must rise"}},
        BadStudy{"seeds = 0..5000\n", {"1000 seeds are the most"}},
        BadStudy{"seeds = 0 0\n", {"the seed 0 is there twice"}},
        BadStudy{"seeds = 0\nseeds = 1\n", {"line 2, seeds"}},
        BadStudy{"epochs = 1\nepochs = 2\n", {"line 2, epochs", "one line"}},
        BadStudy{"sampler = random random\n", {"line 1, sampler", "random is there twice"}},
        BadStudy{"", {"nothing to compare"}}, BadStudy{"# only a comment\n", {"nothing to compare"}}));

}  // namespace
}  // namespace dml
