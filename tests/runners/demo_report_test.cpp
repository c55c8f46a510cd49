// The demo's tables and sentences, against numbers chosen by hand.
#include "runners/demo_report.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"

namespace dml {
namespace {

DemoRow make(const std::string& label, const std::string& mode, double samples_per_second) {
  DemoRow row;
  row.label = label;
  row.mode = mode;
  row.ranks = mode == "single" ? 1 : 2;
  row.threads = mode == "single" ? 2 : 1;
  row.batch = "32";
  row.steps = 1875;
  row.accuracy = 0.87;
  row.train_loss = 0.3285;
  row.samples_per_second = samples_per_second;
  row.rank_times.assign(static_cast<std::size_t>(row.ranks), {0.7, 0.1, 0.15, 0.05});
  return row;
}

std::vector<DemoRow> rows() {
  std::vector<DemoRow> result = {make("single", "single", 10000),
                                 make("data-parallel, allreduce", "data-parallel", 13000),
                                 make("model-parallel, gpipe", "model-parallel", 9000)};
  result[2].ceiling = 1.15;
  result[2].rank_times = {{0.8, 0.1, 0.05, 0.05}, {0.1, 0.1, 0.75, 0.05}};
  return result;
}

std::string joined(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + "\n";
  return text;
}

TEST(DemoTable, ShowsSpeedUpAgainstSingleAndALinePerRank) {
  const std::string table = demo_table(rows());
  EXPECT_NE(table.find("1.00x"), std::string::npos) << table;
  EXPECT_NE(table.find("1.30x"), std::string::npos) << table;
  EXPECT_NE(table.find("0.90x"), std::string::npos) << table;
  EXPECT_NE(table.find("87.00 %"), std::string::npos) << table;
  EXPECT_NE(table.find("13,000"), std::string::npos) << table;
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 1 + 1 + 2 + 2);
}

TEST(DemoTable, WhatWasNotMeasuredIsADash) {
  std::vector<DemoRow> some = rows();
  some[1].accuracy.reset();
  EXPECT_NE(demo_table(some).find("-  0.3285"), std::string::npos) << demo_table(some);
}

TEST(ReadSameComputation, NamesTheFastestTheCeilingAndTheWaitingRank) {
  const std::string text = joined(read_same_computation(rows(), false));
  EXPECT_NE(text.find("Fastest is data-parallel, allreduce: 1.30x"), std::string::npos) << text;
  EXPECT_NE(text.find("same 2 cores"), std::string::npos) << text;
  EXPECT_NE(text.find("87 % of the work"), std::string::npos) << text;
  EXPECT_NE(text.find("exceeds 1.15x one rank with 1 thread"), std::string::npos) << text;
  EXPECT_NE(text.find("rank 1 of model-parallel, gpipe waits for 75 %"), std::string::npos) << text;
  EXPECT_NE(text.find("0.00 points apart"), std::string::npos) << text;
  EXPECT_EQ(text.find("synthetic"), std::string::npos) << text;
}

TEST(ReadSameComputation, SaysSoWhenNothingBeatsSingle) {
  std::vector<DemoRow> slow = rows();
  slow[1].samples_per_second = 9500;
  const std::string text = joined(read_same_computation(slow, true));
  EXPECT_NE(text.find("Nothing here is faster than single"), std::string::npos) << text;
  EXPECT_NE(text.find("data-parallel, allreduce comes closest with 0.95x"), std::string::npos) << text;
  EXPECT_NE(text.find("synthetic"), std::string::npos) << text;
}

TEST(ReadSameLoad, ComparesUpdatesAccuracyAndOverhead) {
  std::vector<DemoRow> some = {make("single", "single", 10000),
                               make("data-parallel, allreduce", "data-parallel", 15000)};
  some[1].steps = 938;
  some[1].accuracy = 0.8525;
  const std::string text = joined(read_same_load(some, false));
  EXPECT_NE(text.find("938 instead of 1,875"), std::string::npos) << text;
  EXPECT_NE(text.find("1.75 points lower"), std::string::npos) << text;
  EXPECT_NE(text.find("25 % with allreduce"), std::string::npos) << text;
}

TEST(ReadDemoRow, TakesWhatARunPrints) {
  const nlohmann::json result = {{"mode", "data-parallel"},
                                 {"world_size", 2},
                                 {"threads_per_rank", 1},
                                 {"steps", 100},
                                 {"test_accuracy", 0.5},
                                 {"final_train_loss", nullptr},
                                 {"train_seconds", 2.0},
                                 {"speedup_ceiling", 2.0},
                                 {"samples_per_second", 1600.0},
                                 {"ranks",
                                  {{{"compute_seconds", 1.0},
                                    {"exposed_communication_seconds", 0.5},
                                    {"wait_seconds", 0.25},
                                    {"other_seconds", 0.25}}}}};
  const DemoRow row = read_demo_row(result, "label", "2 x 16");
  EXPECT_EQ(row.accuracy, 0.5);
  EXPECT_EQ(row.train_loss, std::nullopt);
  EXPECT_EQ(row.steps, 100);
  ASSERT_EQ(row.rank_times.size(), 1U);
  EXPECT_EQ(row.rank_times[0].compute, 0.5);
  EXPECT_EQ(row.rank_times[0].wait, 0.125);
}

TEST(ReadDemoRow, RefusesWhatIsNoResult) {
  EXPECT_THROW(static_cast<void>(read_demo_row(nlohmann::json::object(), "label", "32")), InternalError);
}

}  // namespace
}  // namespace dml
