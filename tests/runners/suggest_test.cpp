// Suggestions: distances by hand, and the words people really type.
#include "runners/cli/suggest.h"

#include <gtest/gtest.h>

#include "runners/cli/flags.h"

namespace dml {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("batch", "batch"), 0);
  EXPECT_EQ(edit_distance("bach", "batch"), 1);
  EXPECT_EQ(edit_distance("bbatch", "batch"), 1);
  EXPECT_EQ(edit_distance("betch", "batch"), 1);
  EXPECT_EQ(edit_distance("abtch", "batch"), 1) << "two neighbours swapped are one edit";
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("ca", "abc"), 3) << "optimal string alignment, not the unrestricted distance";
}

TEST(Nearest, FindsWhatWasMeant) {
  const std::vector<std::string> flags = flag_names();
  EXPECT_EQ(nearest("epoch", flags), "epochs");
  EXPECT_EQ(nearest("bacth", flags), "batch");
  EXPECT_EQ(nearest("MOMENTUM", flags), "momentum");
  EXPECT_EQ(nearest("lr_schedule", flags), "lr-schedule");
  EXPECT_EQ(nearest("checkpoint-evry", flags), "checkpoint-every");
  EXPECT_EQ(nearest("rendez", flags), "rendezvous") << "the only flag it begins";
  EXPECT_EQ(nearest("xyzzy", flags), std::nullopt);
  EXPECT_EQ(nearest("", flags), std::nullopt);
  EXPECT_EQ(nearest(std::string(1000, 'e'), flags), std::nullopt);
}

TEST(ForeignFlag, KnowsOtherToolsInAnySpelling) {
  EXPECT_EQ(foreign_flag("batch-size"), "--batch");
  EXPECT_EQ(foreign_flag("batch_size"), "--batch");
  EXPECT_EQ(foreign_flag("Learning_Rate"), "--lr");
  EXPECT_EQ(foreign_flag("epochs"), std::nullopt);
}

TEST(ForeignFlag, NeverPointsAtAFlagThatIsNotThere) {
  for (const char* name : {"batch-size", "nproc-per-node", "world-size", "lr-scheduler", "warmup", "chunks",
                           "backend", "ckpt-path", "timeout", "arch", "wd", "bf16", "data", "o", "pp"}) {
    const std::string meant = foreign_flag(name).value();
    const std::size_t end = meant.find_first_of(" =", 2);
    EXPECT_NE(find_flag(meant.substr(2, end == std::string::npos ? end : end - 2)), nullptr)
        << name << " -> " << meant;
  }
}

TEST(ForeignMode, KnowsTheCommonAbbreviations) {
  EXPECT_EQ(foreign_mode("ddp"), "data-parallel");
  EXPECT_EQ(foreign_mode("DP"), "data-parallel");
  EXPECT_EQ(foreign_mode("mp"), "model-parallel");
  EXPECT_EQ(foreign_mode("pipeline_parallel"), "model-parallel");
  EXPECT_EQ(foreign_mode("single"), std::nullopt);
}

TEST(Alternatives, ReadsAsASentence) {
  EXPECT_EQ(alternatives(std::vector<std::string>{}), "");
  EXPECT_EQ(alternatives(std::vector<std::string>{"a"}), "a");
  EXPECT_EQ(alternatives(std::vector<std::string>{"a", "b"}), "a or b");
  EXPECT_EQ(alternatives(std::vector<std::string>{"a", "b", "c"}), "a, b or c");
}

}  // namespace
}  // namespace dml
