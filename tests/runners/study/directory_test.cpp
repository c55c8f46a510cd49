// What a study's folder keeps, and what it refuses.
#include "runners/study/directory.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

#include "kernels/base/error.h"
#include "tests/runners/study/made_up_study.h"
#include "tests/temporary_directory.h"

namespace dml {
namespace {

using testing::made_up_grid;
using testing::made_up_result;
using testing::record_all;
using testing::TemporaryDirectory;

const std::string kText = "dataset = synthetic\nmode = single data-parallel\nseeds = 0 1\n";

void record_some(const std::string& directory) {
  record_all(directory, made_up_grid(kText),
             [](const StudyArm& arm, std::uint64_t /*seed*/) { return made_up_result(arm, 0.8, 100); });
}

std::string message_of(const std::string& directory, const std::string& text) {
  try {
    const StudyDirectory study(directory, made_up_grid(text), nlohmann::json::object());
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(StudyDirectory, KeepsEveryRecord) {
  const TemporaryDirectory folder;
  record_some(folder.path());
  const auto records = read_records(folder.path());
  EXPECT_EQ(records.size(), 4U);
  for (const auto& [id, record] : records) {
    EXPECT_EQ(record.id, id);
    EXPECT_EQ(record.result.at("test_accuracy"), 0.8);
    EXPECT_EQ(record.metrics.size(), 3U);
  }
  const StudyDirectory again(folder.path(), made_up_grid(kText), nlohmann::json::object());
  EXPECT_EQ(again.records().size(), 4U);
}

TEST(StudyDirectory, ALineThatWasCutOffIsForgottenAndTheNextIsWhole) {
  const TemporaryDirectory folder;
  record_some(folder.path());
  const std::string path = folder.path() + "/runs.jsonl";
  std::ofstream(path, std::ios::app) << "{\"id\":\"torn";
  EXPECT_EQ(read_records(folder.path()).size(), 4U);
  {
    StudyDirectory study(folder.path(), made_up_grid(kText), nlohmann::json::object());
    StudyRecord record;
    record.id = "new";
    study.append(record);
  }
  EXPECT_EQ(read_records(folder.path()).size(), 5U);
}

TEST(StudyDirectory, ADamagedLineIsNamed) {
  const TemporaryDirectory folder;
  record_some(folder.path());
  std::ofstream(folder.path() + "/runs.jsonl", std::ios::app) << "{\"id\":5}\n";
  try {
    read_records(folder.path());
    FAIL() << "read a damaged line";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("runs.jsonl, line 5"), std::string::npos) << error.what();
  }
}

TEST(StudyDirectory, AnotherStudyIsRefusedByItsFirstDifference) {
  const TemporaryDirectory folder;
  record_some(folder.path());
  EXPECT_EQ(message_of(folder.path(), kText), "");
  EXPECT_NE(message_of(folder.path(), kText + "epochs = 3\n").find("section comparison differs in its arms"),
            std::string::npos);
  EXPECT_NE(
      message_of(folder.path(), kText + "[more]\nmode = single\n").find("section more differs in its name"),
      std::string::npos);
  EXPECT_NE(message_of(folder.path(), "dataset = synthetic\nmode = single data-parallel\nseeds = 1 2\n")
                .find("it has the seed 0 besides"),
            std::string::npos);
}

TEST(StudyDirectory, MoreSeedsAreTheSameStudy) {
  const TemporaryDirectory folder;
  record_some(folder.path());
  const std::string more = "dataset = synthetic\nmode = single data-parallel\nseeds = 0..4\n";
  EXPECT_EQ(message_of(folder.path(), more), "");
  EXPECT_EQ(read_study(folder.path()).at("seeds").size(), 5U);
}

TEST(StudyDirectory, TwoProcessesDoNotShareIt) {
  const TemporaryDirectory folder;
  const StudyDirectory first(folder.path(), made_up_grid(kText), nlohmann::json::object());
  EXPECT_NE(message_of(folder.path(), kText).find("another process"), std::string::npos);
}

TEST(StudyDirectory, AFolderOfARunOrOfNothingIsNone) {
  const TemporaryDirectory folder;
  EXPECT_THROW(read_study(folder.path()), UsageError);
  std::ofstream(folder.path() + "/run.json") << "{}";
  EXPECT_NE(message_of(folder.path(), kText).find("holds a single run"), std::string::npos);
  std::ofstream(folder.path() + "/study.json") << "{\"sections\":";
  EXPECT_THROW(read_study(folder.path()), DataError);
}

TEST(StudyDirectory, AFreshRunDirectoryHoldsNothing) {
  const TemporaryDirectory folder;
  const StudyDirectory study(folder.path(), made_up_grid(kText), nlohmann::json::object());
  const std::string run = study.fresh_run_directory("id");
  std::filesystem::create_directories(run + "/checkpoints");
  EXPECT_FALSE(std::filesystem::exists(study.fresh_run_directory("id")));
}

}  // namespace
}  // namespace dml
