// Who waited for whom, on hand-made records.
#include "engine/train/timeline.h"

#include <gtest/gtest.h>
#include <vector>

#include "engine/train/settle.h"

namespace dml {
namespace {

using Kind = CommunicationRecord::Kind;
using Records = std::vector<CommunicationRecord>;

TEST(WaitTimes, ACollectiveWaitsForTheLastToArrive) {
  const std::vector<Records> records{
      {{Kind::collective, -1, 100, 200}, {Kind::collective, -1, 300, 330}},
      {{Kind::collective, -1, 150, 200}, {Kind::collective, -1, 290, 330}},
      {{Kind::collective, -1, 170, 205}, {Kind::collective, -1, 310, 330}},
  };
  EXPECT_EQ(wait_times_ns(records, 0), (std::vector<std::int64_t>{70, 10}));
  EXPECT_EQ(wait_times_ns(records, 1), (std::vector<std::int64_t>{20, 20}));
  EXPECT_EQ(wait_times_ns(records, 2), (std::vector<std::int64_t>{0, 0}));
}

TEST(WaitTimes, AReceiveWaitsForItsOwnSender) {
  // rank 0 sends to 1 and 2; rank 2 answers; messages match in order between two ranks
  const std::vector<Records> records{
      {{Kind::send, 1, 100, 110}, {Kind::send, 2, 120, 130}, {Kind::receive, 2, 130, 190}},
      {{Kind::receive, 0, 40, 115}},
      {{Kind::receive, 0, 125, 140}, {Kind::send, 0, 180, 185}},
  };
  EXPECT_EQ(wait_times_ns(records, 0), (std::vector<std::int64_t>{0, 0, 50}));
  EXPECT_EQ(wait_times_ns(records, 1), (std::vector<std::int64_t>{60}));
  EXPECT_EQ(wait_times_ns(records, 2), (std::vector<std::int64_t>{0, 0}));
}

TEST(WaitTimes, NeverExceedTheCommunicationItself) {
  const std::vector<Records> records{{{Kind::receive, 1, 100, 150}}, {{Kind::send, 0, 900, 910}}};
  EXPECT_EQ(wait_times_ns(records, 0), (std::vector<std::int64_t>{50}));
}

TEST(Timeline, AddsUpAndRemembersTheNewestActions) {
  Timeline timeline;
  for (std::int64_t step = 0; step < 1000; ++step) {
    timeline.begin_step(step);
    timeline.add_compute("forward", 1000 * step, 1000 * step + 300);
    timeline.add_communication("all_reduce", {Kind::collective, -1, 1000 * step + 300, 1000 * step + 400});
  }
  timeline.settle(std::vector<std::int64_t>(1000, 40));
  EXPECT_EQ(timeline.compute_ns(), 300'000);
  EXPECT_EQ(timeline.wait_ns(), 40'000);
  EXPECT_EQ(timeline.exposed_communication_ns(), 60'000);
  const std::vector<TraceRecord> trace = timeline.trace();
  ASSERT_EQ(trace.size(), Timeline::kTraceRecords);
  EXPECT_EQ(trace.back().step, 999);
  EXPECT_STREQ(trace.back().name, "all_reduce");
  EXPECT_EQ(trace.back().wait_ns, 40);
  EXPECT_EQ(trace.front().step, 1000 - static_cast<std::int64_t>(Timeline::kTraceRecords) / 2);
  timeline.reset();
  EXPECT_EQ(timeline.compute_ns() + timeline.wait_ns() + timeline.exposed_communication_ns(), 0);
}

}  // namespace
}  // namespace dml
