// Whole studies with the real program: stopped at any moment nothing that was finished is lost, and the
// report is rebuilt from what is there.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/runners/program.h"
#include "tests/temporary_directory.h"

namespace dml {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;
using std::chrono::milliseconds;
using testing::TemporaryDirectory;

constexpr std::chrono::seconds kLimit{120};

/// Sixteen short runs.
Words study_in(const std::string& directory) {
  return {"study",         "--run-dir",
          directory,       "--quiet",
          "--threads",     "1",
          "--dataset",     "synthetic",
          "--limit-train", "320",
          "--limit-test",  "50",
          "--epochs",      "1",
          "--seeds",       "0..3",
          "--grid",        "mode=single data-parallel; ranks=2; sampler=balanced random"};
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> lines_of(const std::string& path) {
  std::istringstream stream(contents(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// Accuracies by run: what two studies must agree on.
std::map<std::string, double> accuracies(const std::string& directory) {
  std::map<std::string, double> found;
  for (const std::string& line : lines_of(directory + "/runs.jsonl")) {
    const Json record = Json::parse(line);
    EXPECT_TRUE(found.emplace(record.at("id"), record.at("result").at("test_accuracy")).second)
        << "a run is there twice";
  }
  return found;
}

/// When the last of a study's runs ended.
std::string last_end(const std::string& directory) {
  std::string last;
  for (const std::string& line : lines_of(directory + "/runs.jsonl")) {
    last = std::max(last, Json::parse(line).at("ended").get<std::string>());
  }
  return last;
}

TEST(Study, RunsReportsAndIsDoneTheSecondTime) {
  const TemporaryDirectory folder;
  const std::string directory = folder.path() + "/study";
  const ProgramResult first = Program(DML_ENGINE, study_in(directory)).wait(kLimit);
  ASSERT_EQ(first.exit_code, 0) << first.errors;
  EXPECT_NE(first.output.find("report.html"), std::string::npos) << first.output;
  EXPECT_EQ(accuracies(directory).size(), 16U);
  for (const char* name : {"report.html", "report.md", "study.json"}) {
    EXPECT_GT(fs::file_size(directory + "/" + name), 1000U) << name;
  }
  const std::string report = contents(directory + "/report.html");
  EXPECT_NE(report.find("data-parallel, random"), std::string::npos);
  EXPECT_EQ(report.find("src=\"http"), std::string::npos) << "the report loads something";
  const std::string runs = contents(directory + "/runs.jsonl");
  const ProgramResult second = Program(DML_ENGINE, study_in(directory)).wait(kLimit);
  EXPECT_EQ(second.exit_code, 0) << second.errors;
  EXPECT_EQ(contents(directory + "/runs.jsonl"), runs) << "finished runs were made again";

  fs::remove(directory + "/report.html");
  const ProgramResult again = Program(DML_ENGINE, {"report", directory, "--json"}).wait(kLimit);
  EXPECT_EQ(again.exit_code, 0) << again.errors;
  EXPECT_EQ(contents(directory + "/report.html"), report);
  EXPECT_EQ(Json::parse(again.output).at("finished"), 16);
  EXPECT_NE(report.find(last_end(directory)), std::string::npos) << "it tells another time than its runs'";
}

TEST(Study, StoppedAtTenMomentsItLosesNothing) {
  const TemporaryDirectory folder;
  const std::string whole = folder.path() + "/whole", stopped = folder.path() + "/stopped";
  ASSERT_EQ(Program(DML_ENGINE, study_in(whole)).wait(kLimit).exit_code, 0);

  int stops = 0;
  std::vector<std::string> kept;
  for (int moment = 0; moment < 10; ++moment) {
    Program study(DML_ENGINE, study_in(stopped));
    std::this_thread::sleep_for(milliseconds(90 + 137 * moment % 400));  // anywhere in a run
    study.send_signal(SIGTERM);
    const ProgramResult result = study.wait(kLimit);
    ASSERT_TRUE(result.exit_code == 75 || result.exit_code == 143 || result.exit_code == 0)
        << result.exit_code << "\n"
        << result.errors;  // 143: before it had read its command line
    stops += result.exit_code == 0 ? 0 : 1;
    const std::vector<std::string> now = lines_of(stopped + "/runs.jsonl");
    ASSERT_GE(now.size(), kept.size());
    EXPECT_TRUE(std::equal(kept.begin(), kept.end(), now.begin())) << "a finished run was changed";
    kept = now;
  }
  EXPECT_GE(stops, 5) << "it was hardly ever stopped: nothing was proven";
  const ProgramResult last = Program(DML_ENGINE, study_in(stopped)).wait(kLimit);
  ASSERT_EQ(last.exit_code, 0) << last.errors;
  EXPECT_EQ(accuracies(stopped), accuracies(whole));
}

TEST(Report, OfAnUnfinishedStudySaysWhatIsMissing) {
  const TemporaryDirectory folder;
  const std::string directory = folder.path() + "/study";
  ASSERT_EQ(Program(DML_ENGINE, study_in(directory)).wait(kLimit).exit_code, 0);
  const std::vector<std::string> lines = lines_of(directory + "/runs.jsonl");
  std::ofstream(directory + "/runs.jsonl") << lines[0] << "\n" << lines[1] << "\n" << lines[2].substr(0, 20);
  const ProgramResult result = Program(DML_ENGINE, {"report", directory}).wait(kLimit);
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_NE(contents(directory + "/report.md").find("14 of 16 runs are missing"), std::string::npos);
}

TEST(Report, OfASingleRun) {
  const TemporaryDirectory folder;
  const std::string directory = folder.path() + "/run";
  const Words train = {"train",
                       "--dataset",
                       "synthetic",
                       "--limit-train",
                       "640",
                       "--limit-test",
                       "50",
                       "--epochs",
                       "1",
                       "--threads",
                       "1",
                       "--mode",
                       "data-parallel",
                       "--ranks",
                       "2",
                       "--run-dir",
                       directory,
                       "--quiet"};
  ASSERT_EQ(Program(DML_ENGINE, train).wait(kLimit).exit_code, 0);
  const ProgramResult result = Program(DML_ENGINE, {"report", directory}).wait(kLimit);
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_NE(contents(directory + "/report.html").find("rank 1"), std::string::npos);
}

struct Refused {
  Words words;
  int exit_code;
  std::string mention;
};

TEST(Study, RefusesBeforeAnyTraining) {
  const TemporaryDirectory folder;
  const std::string file = folder.path() + "/bad.study", directory = folder.path() + "/study";
  std::ofstream(file) << "mode = data-parallel\n\nsampler = balanced shards:k=0\n";
  const std::vector<Refused> cases = {
      {{"study", "--run-dir", directory}, 64, "--study FILE"},
      {{"study", "--grid", "mode=single"}, 64, "--run-dir"},
      {{"study", "--study", file, "--run-dir", directory}, 64, "line 3, sampler"},
      {{"study", "--study", folder.path() + "/none", "--run-dir", directory}, 74, "none"},
      {{"study", "--grid", "mode=single; seed=1", "--run-dir", directory}, 64, "seeds"},
      {{"study", "--grid",
        "mode=data-parallel; ranks=99; batch=99; dataset=synthetic; limit-train=50; sampler=contiguous",
        "--run-dir", directory},
       64,
       "99 partitions"},
      {{"study", "--seed", "3", "--grid", "mode=single", "--run-dir", directory}, 64, "--seed"},
      {{"report"}, 64, "DIR"},
      {{"report", folder.path()}, 64, "neither a study"},
      {{"report", "a", "b"}, 64, "one folder"},
  };
  for (const Refused& expected : cases) {
    const ProgramResult result = Program(DML_ENGINE, expected.words).wait(kLimit);
    EXPECT_EQ(result.exit_code, expected.exit_code) << result.errors;
    EXPECT_EQ(result.output, "");
    std::string unwrapped = result.errors;
    std::replace(unwrapped.begin(), unwrapped.end(), '\n', ' ');
    EXPECT_NE(unwrapped.find(expected.mention), std::string::npos)
        << expected.mention << " is not in " << result.errors;
    EXPECT_FALSE(fs::exists(directory + "/runs.jsonl"));
  }
}

}  // namespace
}  // namespace dml
