// Communicators whose values lie on a device: NCCL (against a library that stands in for it) and staging
// through the host, on 2 to 4 ranks whose device is slow and whose memory the host cannot touch.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <thread>

#include "engine/comm/nccl_communicator.h"
#include "engine/comm/staged_communicator.h"
#include "tests/comm/fake_nccl.h"
#include "tests/comm/ranks.h"
#include "tests/comm/threaded_device.h"

namespace dml::test {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kAmple{10000};
using Clock = std::chrono::steady_clock;

FakeNccl& fake() {
  static FakeNccl& controls = open_fake_nccl(DML_TEST_FAKE_NCCL);
  return controls;
}

/// As if nothing had been asked of it.
void reset_fake() {
  fake().version = 22809;
  for (auto* result : {&fake().unique_id, &fake().operation, &fake().reported})
    *result = nccl::Result::success;
}

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

/// What the watchdog was made to say, in place of ending the process; lets the stand-in go.
struct LastWords {
  std::mutex mutex;
  std::vector<std::string> said;
  std::function<void(const PeerError&)> hook() {
    return [this](const PeerError& error) {
      {
        const std::lock_guard lock(mutex);
        said.emplace_back(error.what());
      }
      fake().let_go();
    };
  }
};

struct Rank {
  explicit Rank(std::unique_ptr<Communicator> communicator) : host(std::move(communicator)) {}
  std::unique_ptr<Communicator> host;
  ThreadedBackend backend;
  ThreadedLink link;
};

template <class T>
std::vector<T> values_of(int rank, std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<T>((rank + 1) * static_cast<int>(i % 23));
  return values;
}

template <class T>
void check_type(Communicator& communicator, Backend& backend, std::int64_t count) {
  const int rank = communicator.rank(), ranks = communicator.size();
  const std::string what = " of " + std::to_string(count) + " " + to_string(DTypeOf<T>::value);
  const std::unique_ptr<Stream> stream = backend.make_stream();
  const std::vector<T> mine = values_of<T>(rank, count);
  const std::vector<T> sum = values_of<T>(ranks * (ranks + 1) / 2 - 1, count);
  if (DTypeOf<T>::value != DType::u8) {
    const DeviceValues<T> values(backend, *stream, mine);
    communicator.all_reduce(values.view(), *stream);
    require(values.read() == sum, "all_reduce" + what);
  }
  {
    const DeviceValues<T> values(backend, *stream, mine);
    const DeviceValues<T> all(backend, *stream,
                              std::vector<T>(mine.size() * static_cast<std::size_t>(ranks)));
    communicator.all_gather(values.view(), all.view(), *stream);
    const std::vector<T> gathered = all.read();
    for (int peer = 0; peer < ranks; ++peer) {
      const std::vector<T> expected = values_of<T>(peer, count);
      require(std::equal(expected.begin(), expected.end(), gathered.begin() + peer * count),
              "all_gather" + what);
    }
  }
  for (int root = 0; root < ranks; ++root) {
    const DeviceValues<T> values(backend, *stream, mine);
    communicator.broadcast(values.view(), root, *stream);
    require(values.read() == values_of<T>(root, count), "broadcast" + what);
  }
  // Along the ranks and back, so that every send meets a rank that receives.
  const DeviceValues<T> passed(backend, *stream, mine);
  if (rank > 0) communicator.recv(passed.view(), rank - 1, *stream);
  if (rank < ranks - 1) communicator.send(passed.view(), rank + 1, *stream);
  stream->clear(passed.view());  // behind the send on the stream
  if (rank < ranks - 1) communicator.recv(passed.view(), rank + 1, *stream);
  if (rank > 0) communicator.send(passed.view(), rank - 1, *stream);
  require(passed.read() == std::vector<T>(mine.size()), "what was cleared behind a send came back" + what);
}

/// A message has the values of its sender.
void check_message(Communicator& communicator, Backend& backend) {
  const std::unique_ptr<Stream> stream = backend.make_stream();
  for (int sender = 0; sender < communicator.size(); ++sender) {
    for (int receiver = 0; receiver < communicator.size(); ++receiver) {
      if (sender == receiver) continue;
      const DeviceValues<float> values(backend, *stream, values_of<float>(communicator.rank(), 51904));
      if (communicator.rank() == sender) communicator.send(values.view(), receiver, *stream);
      if (communicator.rank() != receiver) continue;
      communicator.recv(values.view(), sender, *stream);
      require(values.read() == values_of<float>(sender, 51904), "a message is wrong");
    }
  }
}

/// In a ring all ranks send first, so that none may wait for its receiver; the sizes differ.
void check_exchange(Communicator& communicator, Backend& backend) {
  const int rank = communicator.rank(), ranks = communicator.size();
  const int next = (rank + 1) % ranks, previous = (rank + ranks - 1) % ranks;
  const auto size_of = [](int sender) { return 51904 + 7 * sender; };
  const std::unique_ptr<Stream> stream = backend.make_stream();
  const DeviceValues<float> sent(backend, *stream, values_of<float>(rank, size_of(rank)));
  const DeviceValues<float> received(backend, *stream,
                                     std::vector<float>(static_cast<std::size_t>(size_of(previous))));
  communicator.exchange(sent.view(), next, received.view(), previous, *stream);
  stream->clear(sent.view());  // behind it on the stream
  require(received.read() == values_of<float>(previous, size_of(previous)), "an exchanged message is wrong");
  communicator.exchange(sent.view().slice(0, 0), next, received.view().slice(0, 0), previous, *stream);
}

void check_everything(Communicator& communicator, Backend& backend) {
  for (const std::int64_t count : {0, 1, 7, 51904}) {
    check_type<float>(communicator, backend, count);
    check_type<std::int32_t>(communicator, backend, count);
    check_type<std::int64_t>(communicator, backend, count);
    check_type<double>(communicator, backend, count);
    check_type<std::uint8_t>(communicator, backend, count);
  }
  check_message(communicator, backend);
  check_exchange(communicator, backend);
  // Host memory goes to the host communicator.
  HostStream stream;
  std::vector<double> sums(3, communicator.rank() + 1.0);
  communicator.all_reduce(view_of(std::span(sums)), stream);
  const double expected = communicator.size() * (communicator.size() + 1) / 2.0;
  require(sums == std::vector<double>(3, expected), "all_reduce of host memory");
  communicator.barrier(stream);
}

void expect_no_errors(const std::vector<std::string>& errors) {
  for (std::size_t rank = 0; rank < errors.size(); ++rank) EXPECT_EQ(errors[rank], "") << "rank " << rank;
}

class DeviceCommunicator : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { reset_fake(); }
};

TEST_P(DeviceCommunicator, StagedMovesEveryType) {
  expect_no_errors(run_ranks_as_threads(CommunicatorKind::threads, GetParam(), [](auto communicator) {
    Rank rank(std::move(communicator));
    const auto staged = make_staged_communicator(*rank.host, rank.backend);
    require(staged->name() == "threads (staged)", staged->name());
    check_everything(*staged, rank.backend);
  }));
}

TEST_P(DeviceCommunicator, NcclMovesEveryType) {
  LastWords words;
  const int before = fake().living_communicators();  // failed ones are left to the end of the process
  expect_no_errors(run_ranks_as_threads(CommunicatorKind::threads, GetParam(), [&](auto communicator) {
    Rank rank(std::move(communicator));
    const auto nccl = make_nccl_communicator(load_nccl(DML_TEST_FAKE_NCCL), *rank.host, rank.backend,
                                             rank.link, {.deadline = kAmple, .on_failure = words.hook()});
    require(nccl->name() == "nccl 2.28.9", nccl->name());
    check_everything(*nccl, rank.backend);
  }));
  EXPECT_EQ(fake().living_communicators(), before) << "a communicator was not destroyed";
}

TEST_P(DeviceCommunicator, NcclOnASharedDeviceHasFinishedWhenACallReturns) {
  expect_no_errors(run_ranks_as_threads(CommunicatorKind::threads, GetParam(), [](auto communicator) {
    Rank rank(std::move(communicator));
    const auto nccl = make_nccl_communicator(load_nccl(DML_TEST_FAKE_NCCL), *rank.host, rank.backend,
                                             rank.link, {.shared_device = true});
    const auto stream = rank.backend.make_stream();
    const DeviceValues<float> values(rank.backend, *stream, values_of<float>(0, 1000));
    for (int i = 0; i < 5; ++i) {
      nccl->all_reduce(values.view(), *stream);
      require(static_cast<ThreadedStream&>(*stream).is_idle(), "the stream is still busy");
    }
  }));
}

INSTANTIATE_TEST_SUITE_P(Ranks, DeviceCommunicator, ::testing::Values(2, 3, 4));

// ---- what goes wrong -------------------------------------------------------------------------------------

class NcclFailure : public ::testing::Test {
 protected:
  void SetUp() override { reset_fake(); }
  void TearDown() override { reset_fake(); }
};

constexpr milliseconds kDeadline{400};
constexpr milliseconds kGrace{200};

NcclOptions options_with(LastWords& words) {
  return {.deadline = kDeadline, .grace = kGrace, .on_failure = words.hook()};
}

/// Two ranks with NCCL between them; what each exception said, by rank.
std::vector<std::string> run_two(LastWords& words, const std::function<void(Communicator&, Rank&)>& work) {
  return run_ranks_as_threads(CommunicatorKind::threads, 2, [&](auto communicator) {
    Rank rank(std::move(communicator));
    const auto nccl = make_nccl_communicator(load_nccl(DML_TEST_FAKE_NCCL), *rank.host, rank.backend,
                                             rank.link, options_with(words));
    work(*nccl, rank);
  });
}

TEST_F(NcclFailure, APeerThatStaysAwayEndsTheProcessAtTheDeadline) {
  LastWords words;
  const auto started = Clock::now();
  run_two(words, [](Communicator& nccl, Rank& rank) {
    if (nccl.rank() == 1) std::this_thread::sleep_for(kDeadline + 2 * kGrace);
    if (nccl.rank() == 1) throw std::runtime_error("rank 1 has left");
    const auto stream = rank.backend.make_stream();
    const DeviceValues<float> values(rank.backend, *stream, values_of<float>(0, 7));
    nccl.all_reduce(values.view(), *stream);
    stream->synchronize();  // as the host would: for ever
    require(false, "the stream was let go");
  });
  EXPECT_LT(Clock::now() - started, milliseconds(5000));
  ASSERT_EQ(words.said.size(), 1U);
  EXPECT_NE(words.said[0].find("rank 0: all_reduce of 7 f32 failed after"), std::string::npos)
      << words.said[0];
  EXPECT_NE(words.said[0].find("died, stalled or is in another operation"), std::string::npos)
      << words.said[0];
}

TEST_F(NcclFailure, ARankThatNeverComesIsAnErrorAtTheStart) {
  LastWords words;
  const auto errors = run_ranks_as_threads(CommunicatorKind::threads, 2, [&](auto communicator) {
    Rank rank(std::move(communicator));
    if (rank.host->rank() == 1) {  // takes part in agreeing and then does not come
      std::vector<std::uint8_t> letter(sizeof(nccl::UniqueId) + sizeof(nccl::Result));
      HostStream stream;
      rank.host->broadcast(view_of(std::span(letter)), 0, stream);
      std::this_thread::sleep_for(kDeadline + kGrace);
      return;
    }
    make_nccl_communicator(load_nccl(DML_TEST_FAKE_NCCL), *rank.host, rank.backend, rank.link,
                           options_with(words));
  });
  EXPECT_NE(errors[0].find("rank 0: starting NCCL failed after"), std::string::npos) << errors[0];
  EXPECT_NE(errors[0].find("not all ranks have come"), std::string::npos) << errors[0];
  EXPECT_TRUE(words.said.empty());
}

TEST_F(NcclFailure, WhatNcclReportsMakesTheNextCallThrow) {
  LastWords words;
  const auto errors = run_two(words, [](Communicator& nccl, Rank& rank) {
    const auto stream = rank.backend.make_stream();
    const DeviceValues<float> values(rank.backend, *stream, values_of<float>(0, 7));
    nccl.all_reduce(values.view(), *stream);
    stream->synchronize();
    if (nccl.rank() == 0) fake().reported = nccl::Result::remote_error;
    std::this_thread::sleep_for(kGrace);
    nccl.all_reduce(values.view(), *stream);
  });
  for (const std::string& error : errors) {
    EXPECT_NE(error.find("NCCL: remote process exited or there was a network error (a detail in two lines)"),
              std::string::npos)
        << error;
  }
  EXPECT_TRUE(words.said.empty()) << words.said[0];
}

TEST_F(NcclFailure, WhatNcclReportsEndsTheProcessWhenNoCallComes) {
  LastWords words;
  run_two(words, [](Communicator& nccl, Rank& rank) {
    if (nccl.rank() == 1) {
      std::this_thread::sleep_for(kDeadline);
      throw std::runtime_error("rank 1 has left");
    }
    const auto stream = rank.backend.make_stream();
    const DeviceValues<float> values(rank.backend, *stream, values_of<float>(0, 7));
    nccl.all_reduce(values.view(), *stream);
    fake().reported = nccl::Result::remote_error;
    stream->synchronize();
  });
  ASSERT_EQ(words.said.size(), 1U);
  EXPECT_NE(words.said[0].find("all_reduce of 7 f32"), std::string::npos) << words.said[0];
  EXPECT_NE(words.said[0].find("NCCL: remote process exited"), std::string::npos) << words.said[0];
}

TEST_F(NcclFailure, AnOperationThatNcclRefusesIsAnErrorAndSoIsEveryLaterOne) {
  LastWords words;
  const auto errors = run_two(words, [](Communicator& nccl, Rank& rank) {
    const auto stream = rank.backend.make_stream();
    const DeviceValues<float> values(rank.backend, *stream, values_of<float>(0, 7));
    HostStream host;
    nccl.barrier(host);
    fake().operation = nccl::Result::system_error;
    try {
      nccl.all_reduce(values.view(), *stream);
    } catch (const PeerError& error) {
      nccl.send(values.view(), 1 - nccl.rank(), *stream);  // repeats it
    }
  });
  for (const std::string& error : errors) {
    EXPECT_NE(error.find("send of 7 f32 to rank"), std::string::npos) << error;
    EXPECT_NE(error.find("all_reduce of 7 f32 failed"), std::string::npos) << error;
    EXPECT_NE(error.find("NCCL: unhandled system error"), std::string::npos) << error;
  }
}

TEST_F(NcclFailure, RankZeroThatCannotBeginTellsAllRanks) {
  fake().unique_id = nccl::Result::system_error;
  LastWords words;
  const auto errors = run_two(words, [](Communicator&, Rank&) {});
  EXPECT_NE(
      errors[0].find("rank 0: NCCL 2.28.9 (" DML_TEST_FAKE_NCCL ") does not start: NCCL: unhandled system"),
      std::string::npos)
      << errors[0];
  EXPECT_NE(errors[1].find("rank 0 could not begin: NCCL: unhandled system error"), std::string::npos)
      << errors[1];
}

TEST_F(NcclFailure, WhatIsRecordedInAGraphIsNotWatched) {
  LastWords words;
  const auto errors = run_two(words, [](Communicator& nccl, Rank& rank) {
    const auto stream = rank.backend.make_stream();
    const DeviceValues<float> values(rank.backend, *stream, values_of<float>(nccl.rank(), 7));
    const int before = rank.link.marks;
    rank.link.records = true;
    nccl.all_reduce(values.view(), *stream);
    require(rank.link.marks == before, "a mark was set in a graph");
    rank.link.records = false;
    stream->synchronize();
  });
  expect_no_errors(errors);
}

// ---- the library -----------------------------------------------------------------------------------------

std::string error_of_loading(const std::string& path) {
  try {
    load_nccl(path);
  } catch (const UnavailableError& error) {
    return error.what();
  }
  return {};
}

TEST_F(NcclFailure, AVersionThatDoesNotFitIsNamed) {
  EXPECT_EQ(error_of_loading(DML_TEST_FAKE_NCCL), "");
  for (const auto& [version, text] : {std::pair{2708, "2.7.8"}, {21304, "2.13.4"}, {30000, "3.0.0"}}) {
    fake().version = version;
    const std::string error = error_of_loading(DML_TEST_FAKE_NCCL);
    EXPECT_NE(error.find(std::string("is version ") + text + ", and this program needs 2.14 or a later 2"),
              std::string::npos)
        << error;
    EXPECT_NE(error.find("--communicator staged"), std::string::npos) << error;
  }
}

TEST_F(NcclFailure, ALibraryThatIsNotThereIsNamed) {
  const std::string error = error_of_loading("/nowhere/libnccl.so.2");
  EXPECT_NE(error.find("/nowhere/libnccl.so.2"), std::string::npos) << error;
}

}  // namespace
}  // namespace dml::test
