// Stop signals are seen by polling, and nothing else happens because of them.
#include "runners/launch/stop_request.h"

#include <gtest/gtest.h>
#include <thread>

namespace dml {
namespace {

struct sigaction action_of(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action;
}

TEST(StopRequest, NobodyAsked) {
  const StopRequest stop;
  EXPECT_FALSE(stop.requested());
  EXPECT_EQ(stop.exit_code(), 0);
}

TEST(StopRequest, RemembersTheFirstSignal) {
  for (const auto& [signal, code] : {std::pair{SIGINT, 130}, {SIGTERM, 143}}) {
    const StopRequest stop;
    kill(getpid(), signal);
    EXPECT_EQ(stop.signal(), signal);
    EXPECT_TRUE(stop.requested());
    EXPECT_EQ(stop.exit_code(), code);
  }
}

TEST(StopRequest, TakesTheEndOfTheTerminalForSigterm) {
  const StopRequest stop;
  kill(getpid(), SIGHUP);
  EXPECT_EQ(stop.signal(), SIGTERM);
  kill(getpid(), SIGHUP);  // by the kernel and by the shell
  EXPECT_EQ(stop.exit_code(), 143);
}

TEST(StopRequest, LeavesAnIgnoredHangUpAlone) {
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGHUP, &ignore, &before);
  {
    const StopRequest stop;
    kill(getpid(), SIGHUP);
    EXPECT_FALSE(stop.requested());
  }
  sigaction(SIGHUP, &before, nullptr);
}

TEST(StopRequest, InstallsNoHandler) {
  // A frame of a handler on top of an unusual stack pointer is what must never happen.
  const StopRequest stop;
  EXPECT_EQ(action_of(SIGINT).sa_handler, SIG_DFL);
  EXPECT_EQ(action_of(SIGTERM).sa_handler, SIG_DFL);
}

TEST(StopRequest, ThreadsThatStartLaterAreNotInterruptedEither) {
  const StopRequest stop;
  std::thread other([] {
    sigset_t mask{};
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    EXPECT_EQ(sigismember(&mask, SIGINT), 1);
    EXPECT_EQ(sigismember(&mask, SIGTERM), 1);
  });
  other.join();
}

TEST(StopRequestDeathTest, ASecondSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        const StopRequest stop;
        kill(getpid(), SIGINT);
        if (stop.signal() == SIGINT) kill(getpid(), SIGTERM);
        for (;;) std::this_thread::yield();
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST(StopRequest, LeavesTheMaskAsItWas) {
  sigset_t before{};
  sigset_t after{};
  pthread_sigmask(SIG_BLOCK, nullptr, &before);
  { const StopRequest stop; }
  pthread_sigmask(SIG_BLOCK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
  EXPECT_EQ(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}

}  // namespace
}  // namespace dml
