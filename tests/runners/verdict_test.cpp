// Who is to blame: the rank that caused the failure, not the ones that noticed it.
#include "runners/launch/verdict.h"

#include <csignal>
#include <gtest/gtest.h>
#include <vector>

namespace dml {
namespace {

using State = RankReport::State;

constexpr std::chrono::milliseconds kDeadline{60000};

RankReport make(int rank, State state, int order = 0) {
  RankReport report;
  report.rank = rank;
  report.pid = 1000 + rank;
  report.state = state;
  report.order = order;
  report.step = 40 + rank;
  return report;
}

RankReport failed(int rank, int order, ExitCode code, bool lost_peer, const std::string& message) {
  RankReport report = make(rank, State::failed, order);
  report.exit_code = static_cast<int>(code);
  report.failure = RankFailure{code, lost_peer, message};
  return report;
}

RankReport killed(int rank, int order, int signal) {
  RankReport report = make(rank, State::killed, order);
  report.signal = signal;
  return report;
}

RankReport stopped(int rank, int order, int exit_code) {
  RankReport report = make(rank, State::stopped, order);
  report.exit_code = exit_code;
  return report;
}

Verdict judge_all(const std::vector<RankReport>& reports) {
  return judge(reports, kDeadline);
}

TEST(Judge, AllWell) {
  const Verdict verdict = judge_all({make(0, State::succeeded, 1), make(1, State::succeeded, 2)});
  EXPECT_EQ(verdict.exit_code, 0);
  EXPECT_EQ(verdict.message, "");
}

TEST(Judge, AKilledRankIsTheCauseEvenWhenItsPeersExitFirst) {
  const Verdict verdict =
      judge_all({failed(0, 1, ExitCode::unavailable, true, "lost rank 1"), killed(1, 2, SIGKILL)});
  EXPECT_EQ(verdict.exit_code, 69);
  EXPECT_NE(verdict.message.find("rank 1 of 2 (pid 1001) was killed by signal 9"), std::string::npos)
      << verdict.message;
  EXPECT_NE(verdict.message.find("at step 41"), std::string::npos) << verdict.message;
  EXPECT_EQ(verdict.message.find("lost rank 1"), std::string::npos) << "the reason is told once";
}

TEST(Judge, ACrashIsADefectOfTheProgram) {
  const Verdict verdict = judge_all({make(0, State::running), killed(1, 1, SIGSEGV)});
  EXPECT_EQ(verdict.exit_code, 70);
  EXPECT_NE(verdict.message.find("defect"), std::string::npos);
}

TEST(Judge, AnErrorOfItsOwnBeatsALostPeer) {
  const Verdict verdict =
      judge_all({failed(0, 1, ExitCode::unavailable, true, "connection reset by rank 2"),
                 make(1, State::running), failed(2, 2, ExitCode::data, false, "labels: byte 7")});
  EXPECT_EQ(verdict.exit_code, 65);
  EXPECT_NE(verdict.message.find("rank 2 of 3 (pid 1002) failed at step 42: labels: byte 7"),
            std::string::npos)
      << verdict.message;
}

TEST(Judge, TheEarliestOfSeveralCausesCounts) {
  const Verdict verdict =
      judge_all({failed(0, 2, ExitCode::io, false, "disk"), failed(1, 1, ExitCode::data, false, "file")});
  EXPECT_EQ(verdict.exit_code, 65);
}

TEST(Judge, WhatEveryRankSaysIsNotAboutOneOfThem) {
  const Verdict verdict = judge_all(
      {failed(0, 1, ExitCode::io, false, "no data set"), failed(1, 2, ExitCode::io, false, "no data set")});
  EXPECT_EQ(verdict.exit_code, 74);
  EXPECT_EQ(verdict.message, "every rank: no data set");
}

TEST(Judge, ASuspendedRankIsTheOneTheOthersWaitedFor) {
  const Verdict verdict = judge_all({failed(0, 1, ExitCode::unavailable, true, "timed out"),
                                     make(1, State::running), make(2, State::suspended)});
  EXPECT_EQ(verdict.exit_code, 69);
  EXPECT_NE(verdict.message.find("rank 2 of 3 (pid 1002) stalled at step 42"), std::string::npos)
      << verdict.message;
  EXPECT_NE(verdict.message.find("SIGSTOP"), std::string::npos);
  EXPECT_NE(verdict.message.find("60 s"), std::string::npos);
}

TEST(Judge, WithoutASuspendedRankTheOneFurthestBehindStalled) {
  RankReport behind = make(2, State::running);
  behind.step = 12;
  const Verdict verdict =
      judge_all({failed(0, 1, ExitCode::unavailable, true, "timed out"), make(1, State::running), behind});
  EXPECT_NE(verdict.message.find("rank 2 of 3 (pid 1002) stalled at step 12"), std::string::npos)
      << verdict.message;
}

TEST(Judge, WhenAllOnlyLostAPeerTheFirstOneSpeaks) {
  const Verdict verdict = judge_all({failed(0, 2, ExitCode::unavailable, true, "second"),
                                     failed(1, 1, ExitCode::unavailable, true, "first")});
  EXPECT_EQ(verdict.exit_code, 69);
  EXPECT_NE(verdict.message.find("first"), std::string::npos);
}

TEST(Judge, AnExitWithoutAReasonIsReportedAsThat) {
  RankReport report = make(1, State::failed, 1);
  report.exit_code = 3;
  report.step = -1;
  const Verdict verdict = judge_all({make(0, State::running), report});
  EXPECT_EQ(verdict.exit_code, 3);
  EXPECT_NE(verdict.message.find("exited with code 3 before its first step"), std::string::npos)
      << verdict.message;
}

TEST(Judge, StoppedRunsHaveNothingToReport) {
  const Verdict verdict = judge_all({stopped(0, 1, 75), stopped(1, 2, 75)});
  EXPECT_EQ(verdict.exit_code, 75);
  EXPECT_EQ(verdict.message, "");
}

TEST(Judge, APeerOfAStoppedRankIsNoFailure) {
  const Verdict verdict =
      judge_all({failed(0, 2, ExitCode::unavailable, true, "lost rank 1"), stopped(1, 1, 143)});
  EXPECT_EQ(verdict.exit_code, 143);
  EXPECT_EQ(verdict.message, "");
}

TEST(Judge, ASuspendedRankThatNobodyWaitsForIsReportedToo) {
  const Verdict verdict = judge_all({make(0, State::succeeded, 1), make(1, State::suspended)});
  EXPECT_EQ(verdict.exit_code, 69);
  EXPECT_NE(verdict.message.find("rank 1"), std::string::npos);
}

}  // namespace
}  // namespace dml
