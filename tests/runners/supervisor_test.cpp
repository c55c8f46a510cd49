// The supervisor against ranks that die, throw, stall, ignore it or behave: verdicts, times, and nothing left
// behind.
#include "runners/launch/supervisor.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <sys/types.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "kernels/base/error.h"

namespace dml {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// The processes that run the fake rank now.
std::set<pid_t> fake_ranks() {
  std::set<pid_t> found;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    std::error_code error;
    const fs::path program = fs::read_symlink(entry.path() / "exe", error);
    if (!error && program == DML_FAKE_RANK) found.insert(std::stoi(entry.path().filename()));
  }
  return found;
}

class SupervisorTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "dml-test-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    options_.executable = DML_FAKE_RANK;
    options_.variables = {{"TMPDIR", directory_.string()}, {"PATH", "/bin"}};
  }
  void TearDown() override {
    EXPECT_TRUE(fs::is_empty(directory_)) << "the private directory is still there";
    EXPECT_TRUE(fake_ranks().empty()) << "a rank is still there";
    fs::remove_all(directory_);
  }

  Verdict run(const std::string& behaviour, int ranks = 2) {
    options_.ranks = ranks;
    options_.arguments = {"fake_rank", behaviour};
    const Clock::time_point start = Clock::now();
    Verdict verdict = supervise(options_);
    elapsed_ = Clock::now() - start;
    return verdict;
  }

  /// Sends `signal` to this process, as a terminal or a launcher would, after a while.
  static std::thread send_later(int signal, milliseconds after) {
    return std::thread([=] {
      sigset_t blocked;  // the main thread is to get it
      sigfillset(&blocked);
      pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
      std::this_thread::sleep_for(after);
      kill(getpid(), signal);
    });
  }

  fs::path directory_;
  SupervisorOptions options_;
  Clock::duration elapsed_{};
};

TEST_F(SupervisorTest, RanksThatSucceed) {
  const Verdict verdict = run("succeed", 3);
  EXPECT_EQ(verdict.exit_code, 0);
  EXPECT_EQ(verdict.message, "");
}

TEST_F(SupervisorTest, AKilledRankEndsTheRunAndIsNamed) {
  const Verdict verdict = run("die@1");
  EXPECT_EQ(verdict.exit_code, 69);
  EXPECT_NE(verdict.message.find("rank 1 of 2 (pid "), std::string::npos) << verdict.message;
  EXPECT_NE(verdict.message.find("killed by signal 9"), std::string::npos) << verdict.message;
  EXPECT_NE(verdict.message.find("at step 7"), std::string::npos) << verdict.message;
  EXPECT_LT(elapsed_, milliseconds(1500));
}

TEST_F(SupervisorTest, ACrash) {
  const Verdict verdict = run("crash@0");
  EXPECT_EQ(verdict.exit_code, 70);
  EXPECT_NE(verdict.message.find("rank 0 of 2"), std::string::npos) << verdict.message;
}

TEST_F(SupervisorTest, AnErrorOfOneRankIsTheMessageOfTheRun) {
  const Verdict verdict = run("bad-data@2", 3);
  EXPECT_EQ(verdict.exit_code, 65);
  EXPECT_NE(verdict.message.find("rank 2 of 3"), std::string::npos) << verdict.message;
  EXPECT_NE(verdict.message.find("the labels lie"), std::string::npos) << verdict.message;
  EXPECT_LT(elapsed_, milliseconds(1500));
}

TEST_F(SupervisorTest, AnErrorOfAllRanksNamesThemAll) {
  EXPECT_EQ(run("bad-data").message, "every rank: the labels lie");
}

TEST_F(SupervisorTest, AnExitWithoutAReason) {
  const Verdict verdict = run("silent@1");
  EXPECT_EQ(verdict.exit_code, 3);
  EXPECT_NE(verdict.message.find("without giving a reason"), std::string::npos) << verdict.message;
}

TEST_F(SupervisorTest, AStalledRankIsNamedOnceItsPeersGiveUp) {
  options_.deadline = milliseconds(1000);  // the patience of the fake ranks
  const Verdict verdict = run("stall@1", 3);
  EXPECT_EQ(verdict.exit_code, 69);
  EXPECT_NE(verdict.message.find("rank 1 of 3"), std::string::npos) << verdict.message;
  EXPECT_NE(verdict.message.find("stalled at step 7"), std::string::npos) << verdict.message;
  EXPECT_NE(verdict.message.find("deadline of 1 s"), std::string::npos) << verdict.message;
  EXPECT_LT(elapsed_, milliseconds(1000 + 2000));
}

TEST_F(SupervisorTest, ASuspendedRankThatNobodyWaitsForEndsToo) {
  options_.deadline = milliseconds(300);
  const Verdict verdict = run("lag");
  EXPECT_EQ(verdict.exit_code, 69);
  EXPECT_NE(verdict.message.find("rank 1 of 2"), std::string::npos) << verdict.message;
  EXPECT_LT(elapsed_, milliseconds(300 + 2000));
}

TEST_F(SupervisorTest, RanksThatIgnoreSigtermAreKilled) {
  std::thread killer([] {
    for (int tries = 0; tries < 200 && fake_ranks().size() < 2; ++tries)
      std::this_thread::sleep_for(milliseconds(10));
    std::this_thread::sleep_for(milliseconds(200));
    kill(*fake_ranks().begin(), SIGKILL);
  });
  const Verdict verdict = run("ignore");
  killer.join();
  EXPECT_EQ(verdict.exit_code, 69);
  EXPECT_LT(elapsed_, milliseconds(5000));
}

TEST_F(SupervisorTest, ASignalIsForwardedAndACheckpointReported) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    std::thread sender = send_later(signal, milliseconds(300));
    const Verdict verdict = run("checkpoint");
    sender.join();
    EXPECT_EQ(verdict.exit_code, 75);
    EXPECT_EQ(verdict.message, "");
    EXPECT_LT(elapsed_, milliseconds(2000));
  }
}

TEST_F(SupervisorTest, UnderNohupTheEndOfTheTerminalIsNotTheEndOfTheRun) {
  std::signal(SIGHUP, SIG_IGN);
  std::thread hang_up = send_later(SIGHUP, milliseconds(200));
  std::thread interrupt = send_later(SIGINT, milliseconds(400));
  const Verdict verdict = run("wait");
  hang_up.join();
  interrupt.join();
  std::signal(SIGHUP, SIG_DFL);
  EXPECT_EQ(verdict.exit_code, 130) << "it was the interrupt that ended it";
}

TEST_F(SupervisorTest, WithoutACheckpointTheCodeNamesTheSignal) {
  std::thread sender = send_later(SIGINT, milliseconds(300));
  const Verdict verdict = run("wait");
  sender.join();
  EXPECT_EQ(verdict.exit_code, 130);
  EXPECT_EQ(verdict.message, "");
}

TEST_F(SupervisorTest, ASecondSignalKills) {
  std::thread first = send_later(SIGINT, milliseconds(200));
  std::thread second = send_later(SIGINT, milliseconds(400));
  const Verdict verdict = run("ignore");
  first.join();
  second.join();
  EXPECT_EQ(verdict.exit_code, 130);
  EXPECT_LT(elapsed_, milliseconds(2000));
}

TEST_F(SupervisorTest, ASignalThatOneRankDiesOfBeforeItJoinedEndsTheOthers) {
  std::thread sender = send_later(SIGTERM, milliseconds(300));
  const Verdict verdict = run("join");
  sender.join();
  EXPECT_EQ(verdict.exit_code, 143);
  EXPECT_EQ(verdict.message, "");
  EXPECT_LT(elapsed_, milliseconds(5000));
}

TEST_F(SupervisorTest, OnlyRankZeroWritesToStdoutAndOthersArePrefixed) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const Verdict verdict = run("speak");
  const std::string errors = testing::internal::GetCapturedStderr();
  const std::string output = testing::internal::GetCapturedStdout();
  EXPECT_EQ(verdict.exit_code, 0);
  EXPECT_EQ(output, "result of rank 0\n");
  EXPECT_NE(errors.find("warning from rank 0\n"), std::string::npos) << errors;
  EXPECT_EQ(errors.find("[rank 0]"), std::string::npos) << errors;
  EXPECT_NE(errors.find("[rank 1] result of rank 1\n"), std::string::npos) << errors;
  EXPECT_NE(errors.find("[rank 1] warning from rank 1\n"), std::string::npos) << errors;
  EXPECT_NE(errors.find("[rank 1] unfinished\n"), std::string::npos) << errors;
}

TEST_F(SupervisorTest, AProgramThatIsNotThere) {
  options_.executable = "/nonexistent/program";
  const Verdict verdict = run("succeed");
  EXPECT_EQ(verdict.exit_code, 74);
  EXPECT_NE(verdict.message.find("cannot execute /nonexistent/program"), std::string::npos)
      << verdict.message;
}

TEST_F(SupervisorTest, ALauncherAroundUsDoesNotConfuseTheRanks) {
  options_.variables["RANK"] = "nonsense";
  EXPECT_EQ(run("succeed").exit_code, 0);
}

TEST_F(SupervisorTest, NoRankOutlivesAKilledSupervisor) {
  const pid_t supervisor = fork();
  ASSERT_GE(supervisor, 0);
  if (supervisor == 0) {
    options_.arguments = {"fake_rank", "ignore"};
    options_.ranks = 2;
    supervise(options_);
    _exit(0);
  }
  for (int tries = 0; tries < 300 && fake_ranks().size() < 2; ++tries)
    std::this_thread::sleep_for(milliseconds(10));
  ASSERT_EQ(fake_ranks().size(), 2U);
  kill(supervisor, SIGKILL);
  waitpid(supervisor, nullptr, 0);
  for (int tries = 0; tries < 300 && !fake_ranks().empty(); ++tries)
    std::this_thread::sleep_for(milliseconds(10));
  // What a SIGKILL cannot do is clean up after itself.
  for (const fs::directory_entry& entry : fs::directory_iterator(directory_)) fs::remove_all(entry.path());
}

TEST(SupervisorDirectory, IsMadeWhereOneCanBeMade) {
  SupervisorOptions options;
  options.executable = DML_FAKE_RANK;
  options.arguments = {"fake_rank", "succeed"};
  options.variables = {{"XDG_RUNTIME_DIR", "/nonexistent"}, {"TMPDIR", "/proc"}};
  EXPECT_EQ(supervise(options).exit_code, 0) << "/tmp is the last resort";
}

}  // namespace
}  // namespace dml
