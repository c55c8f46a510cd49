// From a study's definition to its runs.
#include "runners/study/grid.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "tests/runners/study/made_up_study.h"

namespace dml {
namespace {

using testing::BadStudy;
using Words = std::vector<std::string>;

Environment machine() {
  Environment environment;
  environment.usable_cores = 4;
  environment.find_gpus = [] { return NvidiaInventory{}; };
  return environment;
}

StudyGrid expand(const std::string& text) {
  return expand_study(parse_study(text, "lab.study", StudySource::file), machine());
}

Words names_of(const StudyComparison& comparison) {
  Words names;
  for (const StudyArm& arm : comparison.arms) names.push_back(arm.name);
  return names;
}

std::string line_of(const Words& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

TEST(StudyGrid, LeavesOutWhatMeansNothingAndMergesWhatBecomesTheSame) {
  const StudyGrid grid = expand(
      "mode = single data-parallel model-parallel\naggregate = allreduce allgather\nranks = 2 3\n"
      "schedule = sequential gpipe\n");
  EXPECT_EQ(names_of(grid.comparisons[0]),
            (Words{"single", "data-parallel, allreduce, ranks 2", "data-parallel, allreduce, ranks 3",
                   "data-parallel, allgather, ranks 2", "data-parallel, allgather, ranks 3",
                   "model-parallel, sequential", "model-parallel, gpipe"}));
}

TEST(StudyGrid, ABatchMeansWhatItsPolicySays) {
  const StudyGrid grid = expand(
      "mode = data-parallel\nranks = 3\nbatch = 20\nlr = 0.05\n"
      "batch-policy = global per-rank per-rank-scaled-lr\n");
  const std::vector<StudyArm>& arms = grid.comparisons[0].arms;
  ASSERT_EQ(arms.size(), 3U);
  EXPECT_EQ(arms[0].config.batch, 20);
  EXPECT_EQ(arms[1].config.batch, 60);
  EXPECT_EQ(arms[2].config.batch, 60);
  EXPECT_EQ(arms[0].config.learning_rate.lr, 0.05);
  EXPECT_EQ(arms[1].config.learning_rate.lr, 0.05);
  EXPECT_NEAR(arms[2].config.learning_rate.lr, 0.15, 1e-15);  // one rounding of a product
}

TEST(StudyGrid, NoneLeavesTheFlagOut) {
  const StudyGrid grid =
      expand("mode = data-parallel\nlocal-steps = none 50\nslow = none rank=1,phase=forward,ms=2\n");
  EXPECT_EQ(names_of(grid.comparisons[0]), (Words{"no local-steps, no slow", "no local-steps, slow",
                                                  "local-steps 50, no slow", "local-steps 50, slow"}));
  EXPECT_EQ(line_of(grid.comparisons[0].arms[0].arguments).find("--local-steps"), std::string::npos);
}

TEST(StudyGrid, SectionsOverrideDefaultsAndShareRuns) {
  const StudyGrid grid = expand(
      "epochs = 3\nseeds = 0 1\n[a]\nmode = single\n[b]\nmode = single data-parallel\n[c]\nmode = "
      "single\nepochs = 1\n");
  EXPECT_EQ(grid.comparisons[0].arms[0].arguments, grid.comparisons[1].arms[0].arguments);
  EXPECT_EQ(grid.comparisons[2].arms[0].config.epochs, 1);
  const std::vector<StudyRun> runs = runs_of(grid);
  ASSERT_EQ(runs.size(), 6U) << "single of [a] and [b] is one run for each seed";
  EXPECT_EQ(runs[0].seed, runs[2].seed) << "seed by seed";
  std::set<std::string> ids;
  for (const StudyRun& run : runs) ids.insert(run.id);
  EXPECT_EQ(ids.size(), runs.size());
  EXPECT_EQ(line_of(runs[3].arguments).find("--seed 1") == std::string::npos, false);
}

TEST(StudyGrid, TheBaselineIsTheArmThatWasNamed) {
  const std::string text = "mode = single data-parallel\naggregate = allreduce allgather\n";
  EXPECT_EQ(expand(text).comparisons[0].baseline, 0U);
  EXPECT_EQ(expand(text + "baseline = aggregate=allgather\n").comparisons[0].baseline, 2U);
}

class BadGrid : public ::testing::TestWithParam<BadStudy> {};

TEST_P(BadGrid, IsRefusedBeforeAnythingRuns) {
  testing::expect_refused(GetParam(), [](const std::string& text) { expand(text); });
}

INSTANTIATE_TEST_SUITE_P(
    Definitions, BadGrid,
    ::testing::Values(
        BadStudy{"mode = single\nsampler = balanced dirichlet:alpha=0\n",
                 {"lab.study, line 2, sampler", "alpha"}},
        BadStudy{"mode = single\nsampler = balanced unheard-of\n", {"line 2, sampler", "unheard-of"}},
        BadStudy{"mode = tandem\n", {"line 1, mode", "tandem"}},
        BadStudy{"mode = data-parallel\nranks = 0\n", {"line 2, ranks", "--ranks 0"}},
        BadStudy{"mode = data-parallel\nslow = rank=1,phase=sideways,ms=2\n",
                 {"line 2, slow", "sideways", "forward"}},
        BadStudy{"mode = data-parallel\nlr = nan\n", {"lr"}},
        BadStudy{"mode = data-parallel\nbatch-policy = larger\n",
                 {"line 2, batch-policy", "larger", "per-rank"}},
        BadStudy{"mode = data-parallel\nnesterov = yes\n", {"nesterov", "on or off"}},
        BadStudy{"[a]\nmode = single\naggregate = allgather\n", {"line 3, aggregate", "no arm of section a"}},
        BadStudy{"mode = single\nbaseline = mode=data-parallel\n", {"line 2, baseline", "0 arms", "single"}},
        BadStudy{"mode = data-parallel\nseeds = 1\nlr = 0.1 0.2\nbaseline = mode=data-parallel\n",
                 {"2 arms", "lr 0.1"}},
        BadStudy{"mode = single\nbaseline = single\n", {"line 2, baseline", "KEY=VALUE"}},
        BadStudy{"lr = 1 2 3 4 5 6 7 8 9\nepochs = 1 2 3 4 5 6 7 8 9\nbatch = 1 2 3 4 5 6 7 8 9\n",
                 {"more than 500 arms"}}));

TEST(StudySamplers, AreHeldAgainstTheDataWithEverySeed) {
  const std::string data = "dataset = synthetic\nlimit-train = 20\nlimit-test = 10\nmode = data-parallel\n";
  EXPECT_NO_THROW(check_samplers(expand(data + "sampler = balanced shards:k=1\n")));
  try {
    check_samplers(expand(data + "[many]\nranks = 4\nsampler = balanced shards:k=9\n"));
    FAIL() << "36 shards of 20 samples";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("section many, arm shards:k=9, seed 0"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace dml
