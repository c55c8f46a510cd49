// What the communicators say when a peer dies, stalls, never joins or does something else, and how soon.
#include <csignal>
#include <functional>
#include <gtest/gtest.h>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include "tests/comm/ranks.h"

namespace dml::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kDeadline{1000};
// How late a failure may be reported on a machine that is busy with other things.
constexpr double kSlackSeconds = 1.0;

/// What a call threw, and when.
struct Failure {
  std::string message;  ///< empty: nothing was thrown
  bool is_peer_error = false;
  double seconds = 0;
};

Failure failure_of(const std::function<void()>& call) {
  const auto start = Clock::now();
  Failure failure;
  try {
    call();
  } catch (const std::exception& error) {
    failure.message = error.what();
    failure.is_peer_error = dynamic_cast<const PeerError*>(&error) != nullptr;
  }
  failure.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return failure;
}

/// Ends the rank with an error unless `failure` is a PeerError within [earliest, latest] seconds that says
/// `words`.
void require_failure(const Failure& failure, double earliest, double latest,
                     const std::vector<std::string>& words) {
  if (!failure.is_peer_error) throw std::runtime_error("no PeerError: " + failure.message);
  for (const std::string& word : words) {
    if (failure.message.find(word) == std::string::npos) {
      throw std::runtime_error("'" + word + "' is not in: " + failure.message);
    }
  }
  if (failure.seconds < earliest || failure.seconds > latest) {
    throw std::runtime_error("thrown after " + std::to_string(failure.seconds) + " s: " + failure.message);
  }
}

/// An operation that rank 1 begins and rank 0 does not take part in.
struct Operation {
  const char* text;  ///< as messages name it
  std::function<void(Communicator&, View)> call;
};

const std::vector<Operation>& operations() {
  static HostStream stream;
  static const std::vector<Operation> list{
      {"all_reduce of 51904 f32", [](Communicator& c, View values) { c.all_reduce(values, stream); }},
      {"all_gather of 51904 f32",
       [](Communicator& c, View values) {
         std::vector<float> gathered(static_cast<std::size_t>(values.elements * c.size()));
         c.all_gather(values, view_of(std::span(gathered)), stream);
       }},
      {"broadcast of 51904 f32 from rank 0",
       [](Communicator& c, View values) { c.broadcast(values, 0, stream); }},
      {"recv of 51904 f32 from rank 0", [](Communicator& c, View values) { c.recv(values, 0, stream); }},
      {"barrier", [](Communicator& c, View) { c.barrier(stream); }}};
  return list;
}

class FailureTest : public testing::TestWithParam<CommunicatorKind> {};

INSTANTIATE_TEST_SUITE_P(Kinds, FailureTest,
                         testing::Values(CommunicatorKind::threads, CommunicatorKind::gloo),
                         [](const auto& kind) { return to_string(kind.param); });

TEST_P(FailureTest, APeerThatLeavesIsNoticedAtOnce) {
  for (const Operation& operation : operations()) {
    const auto errors = run_ranks_as_threads(GetParam(), 2, [&](std::unique_ptr<Communicator> communicator) {
      HostStream stream;
      std::vector<float> values(51904);
      communicator->all_reduce(view_of(std::span(values)), stream);
      if (communicator->rank() == 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        return;
      }
      const Failure first = failure_of([&] { operation.call(*communicator, view_of(std::span(values))); });
      require_failure(first, 0.01, kSlackSeconds, {"rank 1: ", operation.text, " failed after ", "rank 0"});
      const Failure second = failure_of([&] { communicator->barrier(stream); });
      require_failure(second, 0, 0.5,
                      {"rank 1: barrier", "unusable since an earlier failure", operation.text});
    });
    for (const std::string& error : errors) EXPECT_EQ(error, "") << operation.text;
  }
}

TEST_P(FailureTest, APeerThatStallsIsReportedAtTheDeadline) {
  // All operations at once, each in a world of its own: the test takes one deadline and not five.
  std::vector<std::thread> worlds;
  std::vector<std::vector<std::string>> errors(operations().size());
  for (std::size_t i = 0; i < operations().size(); ++i) {
    worlds.emplace_back([&, i] {
      const Operation& operation = operations()[i];
      errors[i] = run_ranks_as_threads(
          GetParam(), 2,
          [&](std::unique_ptr<Communicator> communicator) {
            HostStream stream;
            std::vector<float> values(51904);
            communicator->all_reduce(view_of(std::span(values)), stream);
            if (communicator->rank() == 0) {
              std::this_thread::sleep_for(kDeadline + std::chrono::milliseconds(800));
              return;
            }
            const Failure failure =
                failure_of([&] { operation.call(*communicator, view_of(std::span(values))); });
            require_failure(
                failure, 0.9, 1 + kSlackSeconds,
                {"rank 1: ", operation.text, " failed after 1.", "(deadline 1.0 s)", "rank 0", "deadline"});
          },
          kDeadline);
    });
  }
  for (std::thread& world : worlds) world.join();
  for (std::size_t i = 0; i < errors.size(); ++i) {
    for (const std::string& error : errors[i]) EXPECT_EQ(error, "") << operations()[i].text;
  }
}

TEST_P(FailureTest, AMessageOfAnotherSizeNamesBothSizes) {
  const auto errors = run_ranks_as_threads(GetParam(), 2, [](std::unique_ptr<Communicator> communicator) {
    HostStream stream;
    std::vector<float> values(100);
    if (communicator->rank() == 0) {
      communicator->send(view_of(std::span(values)).slice(0, 99), 1, stream);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      return;
    }
    const Failure failure = failure_of([&] { communicator->recv(view_of(std::span(values)), 0, stream); });
    require_failure(failure, 0, kSlackSeconds, {"recv of 100 f32 from rank 0", "396 bytes", "400"});
  });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
}

TEST_P(FailureTest, RanksInDifferentCollectivesAreToldApart) {
  const auto errors = run_ranks_as_threads(GetParam(), 2, [](std::unique_ptr<Communicator> communicator) {
    HostStream stream;
    std::vector<float> values(100);
    const View view = view_of(std::span(values));
    const Failure failure = failure_of([&] {
      if (communicator->rank() == 0) {
        communicator->all_reduce(view, stream);
      } else {
        communicator->all_reduce(view.slice(0, 99), stream);
      }
    });
    require_failure(failure, 0, kSlackSeconds, {"all_reduce", "all ranks must call the same"});
  });
  // Whoever notices first leaves, and the other may see only that.
  EXPECT_TRUE(errors[0].empty() || errors[1].empty()) << errors[0] << "\n" << errors[1];
}

TEST_P(FailureTest, AnExceptionInOneRankEndsTheOthers) {
  const auto errors = run_ranks_as_threads(GetParam(), 3, [](std::unique_ptr<Communicator> communicator) {
    HostStream stream;
    std::vector<float> values(51904);
    communicator->barrier(stream);
    if (communicator->rank() == 2) throw std::runtime_error("loss is NaN");
    const Failure failure = failure_of([&] { communicator->all_reduce(view_of(std::span(values)), stream); });
    require_failure(failure, 0, kSlackSeconds,
                    {"rank " + std::to_string(communicator->rank()) + ": all_reduce"});
  });
  EXPECT_EQ(errors, (std::vector<std::string>{"", "", "loss is NaN"}));
}

TEST(GlooFailure, AProcessThatIsKilledIsNoticedAtOnce) {
  const auto results = run_ranks_as_processes(3, [](std::unique_ptr<Communicator> communicator) {
    HostStream stream;
    std::vector<float> values(51904);
    const View view = view_of(std::span(values));
    for (int step = 0; step < 10; ++step) communicator->all_reduce(view, stream);
    if (communicator->rank() == 1) ::raise(SIGKILL);
    const Failure failure = failure_of([&] {
      for (int step = 0; step < 3; ++step) communicator->all_reduce(view, stream);
    });
    require_failure(failure, 0, kSlackSeconds, {"all_reduce of 51904 f32 failed", "rank"});
  });
  EXPECT_EQ(results[0].error, "");
  EXPECT_EQ(results[1].exit_status, -1);
  EXPECT_EQ(results[2].error, "");
}

TEST(GlooFailure, SendingToADeadProcessIsAnErrorAndNotASignal) {
  const auto results = run_ranks_as_processes(2, [](std::unique_ptr<Communicator> communicator) {
    HostStream stream;
    std::vector<float> values(1000);
    communicator->barrier(stream);
    if (communicator->rank() == 1) ::_exit(0);
    const Failure failure = failure_of([&] {
      for (int i = 0; i < 1000; ++i) {
        communicator->send(view_of(std::span(values)), 1, stream);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
    require_failure(failure, 0, 5, {"send of 1000 f32 to rank 1", "rank 1 died or ended early"});
  });
  EXPECT_EQ(results[0].error, "");
  EXPECT_EQ(results[0].exit_status, 0);
}

TEST(GlooFailure, ARankThatNeverJoinsIsNamedAtTheDeadline) {
  const TemporaryDirectory directory;
  const auto store = make_directory_store(directory.path());
  const Failure failure = failure_of(
      [&] { return make_gloo_communicator(*store, {.rank = 0, .size = 2, .deadline = kDeadline}); });
  EXPECT_NO_THROW(require_failure(failure, 0.9, 1 + kSlackSeconds, {"rank 0: connecting to rank 1 failed"}));
}

TEST(GlooFailure, ARankThatPublishesItsAddressAndDiesIsNamed) {
  // Whether the survivor listens or connects depends on the ports; several rounds see both.
  for (int round = 0; round < 4; ++round) {
    const TemporaryDirectory directory;
    const auto store = make_directory_store(directory.path());
    const auto join = [&](int rank, int milliseconds) {
      return failure_of([&] {
        make_gloo_communicator(
            *store, {.rank = rank, .size = 3, .deadline = std::chrono::milliseconds(milliseconds)});
      });
    };
    join(1, 20);  // waits in vain for rank 0 and is gone
    require_failure(join(0, 200), 0, 0.2 + kSlackSeconds,
                    {"rank 0: connecting to rank 1 failed", ": rank 1"});
  }
}

TEST(GlooFailure, RanksThatDisagreeOnTheirNumberAreTold) {
  const TemporaryDirectory directory;
  std::vector<std::string> errors(2);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      const auto store = make_directory_store(directory.path());
      errors[static_cast<std::size_t>(rank)] =
          failure_of([&] {
            return make_gloo_communicator(*store, {.rank = rank, .size = 2 + rank, .deadline = kDeadline});
          }).message;
    });
  }
  for (std::thread& rank : ranks) rank.join();
  EXPECT_NE(errors[0].find("there are 2 ranks, rank 1 that there are 3"), std::string::npos) << errors[0];
  EXPECT_NE(errors[1].find("there are 3 ranks, rank 0 that there are 2"), std::string::npos) << errors[1];
}

TEST(GlooFailure, AnAddressThatIsNotOursIsUnavailable) {
  const TemporaryDirectory directory;
  const auto store = make_directory_store(directory.path());
  for (const char* address : {"192.0.2.1", "no such host"}) {
    const CommunicatorOptions options{
        .rank = 0, .size = 2, .deadline = kDeadline, .interface_address = address};
    EXPECT_THROW(make_gloo_communicator(*store, options), UnavailableError);
    EXPECT_NE(failure_of([&] { return make_gloo_communicator(*store, options); }).message.find(address),
              std::string::npos);
  }
}

TEST(GlooFailure, ADestructorWithUndeliveredMessagesEndsSoon) {
  const auto results = run_ranks_as_processes(2, [](std::unique_ptr<Communicator> communicator) {
    HostStream stream;
    std::vector<float> values(16 << 20);
    if (communicator->rank() == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2000));  // never receives
      return;
    }
    const auto send =
        Clock::now();  // with which the second of patience begins, on a busy machine well before
    communicator->send(view_of(std::span(values)), 1, stream);
    const auto start = Clock::now();
    communicator.reset();
    const auto end = Clock::now();
    const double patience = std::chrono::duration<double>(end - send).count();
    const double seconds = std::chrono::duration<double>(end - start).count();
    if (patience < 0.9 || seconds > 1 + kSlackSeconds) {
      throw std::runtime_error("the destructor took " + std::to_string(seconds) + " s, " +
                               std::to_string(patience) + " s after the send");
    }
  });
  for (const ProcessResult& result : results) EXPECT_EQ(result.error, "");
}

TEST(GlooFailure, AMessageThatNobodyTakesShowsInALaterCall) {
  constexpr std::chrono::milliseconds kShortDeadline{250};
  int done[2];  // rank 0 writes when it has seen the failure; until then rank 1 is there, however slow the
                // machine
  ASSERT_EQ(::pipe(done), 0);
  const auto results = run_ranks_as_processes(
      2,
      [&](std::unique_ptr<Communicator> communicator) {
        HostStream stream;
        std::vector<float> values(16 << 20);
        if (communicator->rank() == 1) {
          pollfd until_done{done[0], POLLIN, 0};
          ::poll(&until_done, 1, 30'000);
          return;
        }
        communicator->send(view_of(std::span(values)), 1, stream);
        const Failure failure = failure_of([&] {
          for (int i = 0; i < 40; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            communicator->send(view_of(std::span(values)).slice(0, 1), 1, stream);
          }
        });
        const bool told = ::write(done[1], "d", 1) == 1;
        // A write that got somewhere and then stopped is given up after the second deadline.
        require_failure(failure, 0, 0.5 + kSlackSeconds,
                        {"send of 1 f32 to rank 1", "an earlier message could not be delivered", "deadline"});
        if (!told) throw std::runtime_error("rank 1 could not be told");
      },
      kShortDeadline);
  ::close(done[0]);
  ::close(done[1]);
  EXPECT_EQ(results[0].error, "");
}

TEST(SoloCommunicator, HasNobodyToTalkTo) {
  const auto solo = make_solo_communicator();
  HostStream stream;
  std::vector<float> values(3);
  EXPECT_THROW(solo->send(view_of(std::span(values)), 0, stream), InternalError);
  EXPECT_THROW(solo->recv(view_of(std::span(values)), 1, stream), InternalError);
}

}  // namespace
}  // namespace dml::test
