// What is said of a study's numbers, held against numbers that are known.
#include "runners/study/findings.h"

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "runners/study/report.h"
#include "tests/runners/study/made_up_study.h"
#include "tests/temporary_directory.h"

namespace dml {
namespace {

using testing::made_up_grid;
using testing::made_up_result;
using testing::record_all;
using testing::TemporaryDirectory;

// Differences of five seeds, in points: mean -1 with sd 0.1, and mean 0.02 with sd 0.5.
constexpr std::array<double, 5> kClear = {-1.1, -0.9, -1.0, -1.1, -0.9};
constexpr std::array<double, 5> kNoise = {0.5, -0.6, 0.4, -0.3, 0.1};

StudySummary study_of(const std::string& folder) {
  const StudyGrid grid = made_up_grid(
      "question = Why?\ndataset = synthetic\nseeds = 0..4\n"
      "[samplers]\nquestion = Which?\nmode = data-parallel\nsampler = balanced random stratified bootstrap\n"
      "slow = none\n[alone]\nmode = single\n");
  record_all(folder, grid, [](const StudyArm& arm, std::uint64_t seed) {
    const double base = 0.8 + 0.01 * static_cast<double>(seed);
    const std::string& sampler = arm.config.sampler;
    if (sampler == "bootstrap" && seed == 2) return nlohmann::json();
    double accuracy = base, speed = 1000 + static_cast<double>(seed);
    if (sampler == "random") {
      accuracy += kClear[seed] / 100;
      speed *= 1.5 + 0.01 * static_cast<double>(seed % 2);
    }
    if (sampler == "bootstrap") accuracy += kNoise[seed] / 100;
    return made_up_result(arm, accuracy, speed);
  });
  return summarise_study(folder);
}

class Findings : public ::testing::Test {
 protected:
  TemporaryDirectory folder_;
  StudySummary study_ = study_of(folder_.path());
  const ComparisonSummary& samplers_ = study_.comparisons[0];
  const ArmSummary& balanced_ = samplers_.arms[0];
  const ArmSummary& random_ = samplers_.arms[1];
  const ArmSummary& stratified_ = samplers_.arms[2];
  const ArmSummary& bootstrap_ = samplers_.arms[3];
};

TEST_F(Findings, NumbersAreThoseOfTheRuns) {
  EXPECT_EQ(study_.runs, 25);
  EXPECT_EQ(study_.finished, 25);
  EXPECT_EQ(balanced_.finished, 5);
  EXPECT_EQ(bootstrap_.diverged, 1);
  EXPECT_NEAR(*random_.accuracy[1], 80.1, 1e-9);
  EXPECT_NEAR(random_.accuracy_difference->difference.mean, -1.0, 1e-9);
  EXPECT_NEAR(*random_.accuracy_difference->difference.sd, 0.1, 1e-9);
  EXPECT_FALSE(balanced_.accuracy_difference);
  ASSERT_EQ(balanced_.ranks.size(), 2U);
  EXPECT_NEAR(balanced_.ranks[1].wait, 0.2, 1e-12);
  EXPECT_NEAR(balanced_.ranks[0].compute + balanced_.ranks[0].communication + balanced_.ranks[0].wait +
                  balanced_.ranks[0].other,
              1, 1e-12);
  EXPECT_EQ(balanced_.ranks[1].bytes_per_step, 20);
  ASSERT_EQ(balanced_.loss_by_step.size(), 2U);
  EXPECT_EQ(balanced_.loss_by_step[1].x, 200);
  EXPECT_NEAR(balanced_.loss_by_step[1].y.mean, 0.005, 1e-15);
}

TEST_F(Findings, PValuesAreCorrectedForAllArms) {
  // t = -1 / (0.1 / sqrt 5): p of one test is far below the level, of the other far above it.
  EXPECT_LT(*random_.adjusted_p, 0.001);
  EXPECT_NEAR(*random_.adjusted_p, 3 * *random_.accuracy_difference->p, 1e-12);
  EXPECT_GT(*bootstrap_.adjusted_p, 0.5);
}

TEST_F(Findings, ADifferenceIsClaimedWithItsInterval) {
  const std::string text = accuracy_finding(samplers_, random_);
  EXPECT_NE(text.find("random is 1.00 points less accurate than balanced"), std::string::npos) << text;
  EXPECT_NE(text.find("0.88 to 1.12 points"), std::string::npos) << text;  // 1 +- 2.776 * 0.1 / sqrt 5
  EXPECT_NE(text.find("n = 5"), std::string::npos) << text;
}

TEST_F(Findings, NoDifferenceSaysWhichOneWouldHaveBeenSeen) {
  const std::string text = accuracy_finding(samplers_, bootstrap_);
  EXPECT_EQ(text.rfind("No difference in accuracy was found between bootstrap and balanced", 0), 0U) << text;
  EXPECT_NE(text.find("n = 4"), std::string::npos) << text;
  ASSERT_TRUE(bootstrap_.detectable);
  EXPECT_GT(*bootstrap_.detectable, 0.5) << "less than one sd of the differences with four of them";
  EXPECT_NE(text.find("would probably have been seen"), std::string::npos) << text;
}

TEST_F(Findings, EqualNumbersAreCalledEqual) {
  EXPECT_EQ(accuracy_finding(samplers_, stratified_),
            "stratified and balanced have the same accuracy in every seed (n = 5).");
}

TEST_F(Findings, SpeedIsClaimedWhereTheIntervalExcludesOne) {
  EXPECT_NE(speed_finding(samplers_, random_)
                .find("random trains 1.50 times as many samples per second as balanced"),
            std::string::npos)
      << speed_finding(samplers_, random_);
  EXPECT_NE(speed_finding(samplers_, stratified_).find("No difference in speed"), std::string::npos);
}

TEST_F(Findings, DivergedRunsAreCounted) {
  const std::vector<std::string> all = findings(samplers_);
  EXPECT_NE(all.front().find("bootstrap diverged in 1 of 5 runs"), std::string::npos) << all.front();
}

TEST_F(Findings, TheAnswerIsTheLargestDifference) {
  const std::string text = answer(samplers_);
  EXPECT_NE(text.find("random is 1.00 points less accurate than balanced"), std::string::npos) << text;
  EXPECT_NE(text.find("only difference found among 3 arms"), std::string::npos) << text;
  EXPECT_NE(answer(study_.comparisons[1]).find("nothing to compare"), std::string::npos);
}

TEST_F(Findings, ArmsThatConsumedTheSameStandTogether) {
  EXPECT_EQ(data_findings(samplers_),
            (std::vector<std::string>{
                "An epoch consumes every sample exactly once: balanced; random; stratified; bootstrap."}));
}

TEST_F(Findings, SpeedUpIsAgainstSingleOnAsManyCores) {
  const auto gain = speed_up(study_, random_);
  ASSERT_TRUE(gain);
  EXPECT_EQ(gain->by_seed.size(), 5U);
  EXPECT_NEAR(median(gain->by_seed), 1.5, 0.011);
}

TEST(FindingsOfLittle, ADetectableDifferenceThatIsHugeIsCalledSo) {
  const TemporaryDirectory folder;
  const StudyGrid grid =
      made_up_grid("dataset = synthetic\nmode = data-parallel\nseeds = 0 1\nsampler = balanced random\n");
  record_all(folder.path(), grid, [](const StudyArm& arm, std::uint64_t seed) {
    const double spread = seed == 0 ? 0.1 : -0.1;
    return made_up_result(arm, 0.5 + (arm.config.sampler == "random" ? spread : 0), 100);
  });
  const StudySummary study = summarise_study(folder.path());
  ASSERT_GT(*study.comparisons[0].arms[1].detectable, 20);
  EXPECT_NE(answer(study.comparisons[0]).find("even one of 20 points might have been missed"),
            std::string::npos)
      << answer(study.comparisons[0]);
}

TEST(FindingsOfLittle, EqualDifferencesOfCoarseAccuraciesAreNoCertainty) {
  const TemporaryDirectory folder;
  const StudyGrid grid =
      made_up_grid("dataset = synthetic\nmode = data-parallel\nseeds = 0 1\nsampler = balanced random\n");
  record_all(folder.path(), grid, [](const StudyArm& arm, std::uint64_t seed) {
    nlohmann::json result = made_up_result(
        arm, 0.5 + 0.1 * static_cast<double>(seed) + (arm.config.sampler == "random" ? 1.0 / 320 : 0), 100);
    result["test_samples"] = 320;  // so that the arms are one sample apart, in both seeds
    return result;
  });
  const StudySummary study = summarise_study(folder.path());
  EXPECT_GT(*study.comparisons[0].arms[1].adjusted_p, 0.05);
}

TEST(FindingsOfLittle, AResumedRunIsOneRun) {
  const TemporaryDirectory folder;
  const StudyGrid grid = made_up_grid("dataset = synthetic\nmode = data-parallel\n");
  record_all(folder.path(), grid,
             [](const StudyArm& arm, std::uint64_t /*seed*/) { return made_up_result(arm, 0.5, 100); });
  StudyDirectory directory(folder.path(), grid, nlohmann::json::object());
  StudyRecord record = directory.records().begin()->second;
  record.metrics.push_back({{"kind", "train"}, {"step", 100}, {"loss", 0.25}, {"epoch", 0}});
  directory.append(record);
  const StudySummary study = summarise_study(folder.path());
  const CurvePoint& point = study.comparisons[0].arms[0].loss_by_step.front();
  EXPECT_EQ(point.y.n, 1);
  EXPECT_EQ(point.y.mean, 0.25);
}

TEST(FindingsOfLittle, OneSeedClaimsNothing) {
  const TemporaryDirectory folder;
  const StudyGrid grid =
      made_up_grid("dataset = synthetic\nmode = data-parallel\nsampler = balanced random\n");
  record_all(folder.path(), grid, [](const StudyArm& arm, std::uint64_t /*seed*/) {
    return made_up_result(arm, arm.config.sampler == "random" ? 0.5 : 0.9, 100);
  });
  const StudySummary study = summarise_study(folder.path());
  const std::string text = accuracy_finding(study.comparisons[0], study.comparisons[0].arms[1]);
  EXPECT_NE(text.find("no telling chance from effect"), std::string::npos) << text;
  EXPECT_NE(answer(study.comparisons[0]).find("One seed cannot tell"), std::string::npos);
}

TEST(FindingsOfLittle, AnUnfinishedStudySaysWhatIsMissing) {
  const TemporaryDirectory folder;
  const StudyGrid grid =
      made_up_grid("dataset = synthetic\nmode = data-parallel\nsampler = balanced random\n");
  { const StudyDirectory study(folder.path(), grid, nlohmann::json::object()); }
  const StudySummary study = summarise_study(folder.path());
  EXPECT_EQ(study.finished, 0);
  const std::vector<std::string> all = findings(study.comparisons[0]);
  EXPECT_NE(all.front().find("1 of 1 run of balanced is missing"), std::string::npos) << all.front();
  EXPECT_EQ(answer(study.comparisons[0]), "Nothing was measured yet.");
  EXPECT_NO_THROW(make_report(study));
}

TEST(Stragglers, InjectionAndVerdictStandSideBySide) {
  const TemporaryDirectory folder;
  const StudyGrid grid = made_up_grid(
      "dataset = synthetic\nmode = data-parallel\nseeds = 0 1\nslow = none rank=1,phase=forward,ms=2\n");
  record_all(folder.path(), grid, [](const StudyArm& arm, std::uint64_t /*seed*/) {
    nlohmann::json result = made_up_result(arm, 0.5, 100);
    if (arm.config.slow) result["straggler"] = {{"rank", 1}, {"phase", "forward"}};
    return result;
  });
  const StudySummary study = summarise_study(folder.path());
  EXPECT_EQ(straggler_finding(study.comparisons[0].arms[0]), "");
  EXPECT_EQ(straggler_finding(study.comparisons[0].arms[1]),
            "In slow one rank was slowed down (rank=1,phase=forward,ms=2); the "
            "comparison of ranks named rank 1 in forward in 2 of 2 runs.");
}

}  // namespace
}  // namespace dml
