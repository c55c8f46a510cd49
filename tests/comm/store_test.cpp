// Both rendezvous stores: what they keep, how they wait, and what they say when something is missing.
#include <arpa/inet.h>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "tests/comm/ranks.h"

namespace dml::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A TCP port of the loopback address, occupied as long as the object lives.
class OccupiedPort {
 public:
  OccupiedPort() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(socket_, 1) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      throw std::runtime_error("cannot occupy a port");
    }
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  OccupiedPort(const OccupiedPort&) = delete;
  OccupiedPort& operator=(const OccupiedPort&) = delete;
  ~OccupiedPort() { ::close(socket_); }
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  int socket_;
  std::string address_;
};

std::string free_address() {
  return OccupiedPort().address();
}

enum class StoreKind { directory, grpc };

/// A store and further clients of it.
class StoreTest : public testing::TestWithParam<StoreKind> {
 protected:
  std::unique_ptr<Store> open(int rank, const WhileWaiting& while_waiting = {}) {
    return GetParam() == StoreKind::directory
               ? make_directory_store(directory_.path(), while_waiting)
               : make_grpc_store(address_, rank, milliseconds(5000), while_waiting);
  }
  [[nodiscard]] std::string place() const {
    return GetParam() == StoreKind::directory ? directory_.path() : address_;
  }

 private:
  TemporaryDirectory directory_;
  std::string address_ = free_address();
};

INSTANTIATE_TEST_SUITE_P(Kinds, StoreTest, testing::Values(StoreKind::directory, StoreKind::grpc),
                         [](const auto& kind) {
                           return kind.param == StoreKind::directory ? "directory" : "grpc";
                         });

TEST_P(StoreTest, KeepsAnyBytesUnderAnyKey) {
  const auto store = open(0);
  const std::string all_bytes = [] {
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
    return bytes;
  }();
  // Keys that a careless escape would map to one file, or to a file elsewhere.
  const std::vector<std::string> keys{
      "a", "A", "a/b", "a_b", "a%2Fb", "..", "../a", ".", "a b", std::string("a\0b", 3), "\xff"};
  for (const std::string& key : keys) store->set(key, key + all_bytes);
  store->set("empty", "");
  store->set("large", std::string(1 << 20, 'x'));
  const auto reader = open(1);
  for (const std::string& key : keys) EXPECT_EQ(reader->get(key, milliseconds(1000)), key + all_bytes);
  EXPECT_EQ(reader->get("empty", milliseconds(1000)), "");
  EXPECT_EQ(reader->get("large", milliseconds(1000)), std::string(1 << 20, 'x'));
}

TEST_P(StoreTest, AKeyIsWrittenOnce) {
  const auto store = open(0);
  store->set("key", "first");
  try {
    open(1)->set("key", "second");
    FAIL() << "a key changed";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("'key'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(place()), std::string::npos) << error.what();
  }
  EXPECT_EQ(store->get("key", milliseconds(1000)), "first");
}

TEST_P(StoreTest, WaitsForALateKey) {
  const auto store = open(0);
  const auto reader = open(1);
  std::thread writer([&] {
    std::this_thread::sleep_for(milliseconds(150));
    store->set("late", "value");
  });
  const auto start = Clock::now();
  EXPECT_EQ(reader->get("late", milliseconds(5000)), "value");
  const double seconds = seconds_since(start);
  writer.join();
  EXPECT_GT(seconds, 0.1);
  EXPECT_LT(seconds, 1.0);
}

/// Throws when it has been asked `times` times.
WhileWaiting give_up_after(int times) {
  return [left = times]() mutable {
    if (--left <= 0) throw std::domain_error("given up");
  };
}

TEST_P(StoreTest, AWaitIsGivenUpWhenAskedTo) {
  const auto store = open(0, give_up_after(3));
  const auto start = Clock::now();
  EXPECT_THROW(static_cast<void>(store->get("never", milliseconds(20000))), std::domain_error);
  EXPECT_LT(seconds_since(start), 2.0);
}

TEST_P(StoreTest, AMissingKeyIsNamedWhenTheTimeIsOver) {
  const auto store = open(0);
  const auto start = Clock::now();
  try {
    static_cast<void>(store->get("rank 7", milliseconds(200)));
    FAIL() << "got a key that nobody set";
  } catch (const PeerError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("'rank 7'"), std::string::npos) << text;
    EXPECT_NE(text.find(place()), std::string::npos) << text;
    EXPECT_NE(text.find("waited 2"), std::string::npos) << text;
  }
  EXPECT_GT(seconds_since(start), 0.19);
  EXPECT_LT(seconds_since(start), 1.2);
}

TEST_P(StoreTest, FourClientsExchangeValues) {
  const auto host = open(0);
  std::vector<std::thread> ranks;
  std::vector<std::string> seen(4);
  for (int rank = 0; rank < 4; ++rank) {
    ranks.emplace_back([&, rank] {
      const auto own = rank == 0 ? nullptr : open(rank);
      Store& store = rank == 0 ? *host : *own;
      store.set("rank " + std::to_string(rank), std::to_string(rank * rank));
      for (int peer = 0; peer < 4; ++peer) {
        seen[static_cast<std::size_t>(rank)] +=
            store.get("rank " + std::to_string(peer), milliseconds(5000)) + " ";
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (const std::string& values : seen) EXPECT_EQ(values, "0 1 4 9 ");
}

TEST_P(StoreTest, CarriesAGlooWorld) {
  std::vector<std::thread> ranks;
  std::vector<float> sums(3);
  for (int rank = 0; rank < 3; ++rank) {
    ranks.emplace_back([&, rank] {
      HostStream stream;
      auto store = open(rank);
      const auto communicator = make_gloo_communicator(*store, {.rank = rank, .size = 3});
      store.reset();  // rank 0's service ends here, and nobody misses it
      std::vector<float> values{1.0F};
      communicator->all_reduce(view_of(std::span(values)), stream);
      sums[static_cast<std::size_t>(rank)] = values[0];
    });
  }
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(sums, (std::vector<float>{3, 3, 3}));
}

TEST(DirectoryStore, IsPrivate) {
  const TemporaryDirectory parent;
  const std::string path = parent.path() + "/rendezvous";
  const auto store = make_directory_store(path);
  store->set("key", "value");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(path)) {
    ++files;
    ASSERT_EQ(::stat(file.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << file.path();
  }
  EXPECT_EQ(files, 1U) << "a temporary file was left behind";
}

TEST(DirectoryStore, NamesAPathItCannotUse) {
  const TemporaryDirectory parent;
  const std::string missing = parent.path() + "/no/such/parent";
  const std::string file = parent.path() + "/file";
  ASSERT_GE(::close(::creat(file.c_str(), 0600)), 0);
  for (const std::string& path : {missing, file}) {
    try {
      make_directory_store(path);
      FAIL() << path;
    } catch (const IoError& error) {
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    }
  }
}

TEST(GrpcStore, RefusesWhatIsNotAnAddress) {
  for (const char* address : {"", "host", "host:", ":80", "host:0", "host:65536", "host:12x", "host:-1"}) {
    EXPECT_THROW(make_grpc_store(address, 0, milliseconds(100)), UsageError) << address;
  }
}

TEST(GrpcStore, APortInUseIsUnavailableAndTheFixIsNamed) {
  const OccupiedPort port;
  const std::string address = free_address();
  const auto first = make_grpc_store(address, 0, milliseconds(5000));
  for (const std::string& taken : {port.address(), address, std::string("192.0.2.1:4321")}) {
    testing::internal::CaptureStderr();
    try {
      make_grpc_store(taken, 0, milliseconds(500));
      ADD_FAILURE() << "served at " << taken;
    } catch (const UnavailableError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find(taken), std::string::npos) << text;
      EXPECT_NE(text.find("--rendezvous host:port"), std::string::npos) << text;
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  }
}

TEST(GrpcStore, AServiceThatIsNotThereIsAPeerErrorInTime) {
  const OccupiedPort silent;  // something listens, and it does not speak the protocol
  for (const std::string& address : {free_address(), silent.address()}) {
    testing::internal::CaptureStderr();
    const auto start = Clock::now();
    try {
      make_grpc_store(address, 1, milliseconds(300));
      ADD_FAILURE() << "connected to " << address;
    } catch (const PeerError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("rank 1: "), std::string::npos) << text;
      EXPECT_NE(text.find(address), std::string::npos) << text;
      EXPECT_NE(text.find("--rendezvous host:port"), std::string::npos) << text;
    }
    EXPECT_GT(seconds_since(start), 0.25);
    EXPECT_LT(seconds_since(start), 1.3);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  }
}

TEST(GrpcStore, TheWaitForTheServiceIsGivenUpWhenAskedTo) {
  const auto start = Clock::now();
  EXPECT_THROW(make_grpc_store(free_address(), 1, milliseconds(20000), give_up_after(2)), std::domain_error);
  EXPECT_LT(seconds_since(start), 2.0);
}

TEST(GrpcStore, WaitsForTheServiceToComeUp) {
  const std::string address = free_address();
  std::unique_ptr<Store> host;
  std::thread late([&] {
    std::this_thread::sleep_for(milliseconds(300));
    host = make_grpc_store(address, 0, milliseconds(5000));
    host->set("key", "value");
  });
  const auto client = make_grpc_store(address, 1, milliseconds(5000));
  EXPECT_EQ(client->get("key", milliseconds(5000)), "value");
  late.join();
}

bool has_address(const char* name) {
  addrinfo* found = nullptr;
  const bool known = getaddrinfo(name, nullptr, nullptr, &found) == 0;
  if (known) freeaddrinfo(found);
  return known;
}

TEST(GrpcStore, AHostMayBeAName) {
  if (!has_address("localhost")) GTEST_SKIP() << "this machine knows no address of localhost (no /etc/hosts)";
  const std::string address = free_address();
  const std::string named = "localhost" + address.substr(address.find(':'));
  const auto host = make_grpc_store(named, 0, milliseconds(5000));
  const auto client = make_grpc_store(named, 1, milliseconds(5000));
  client->set("key", "value");
  EXPECT_EQ(host->get("key", milliseconds(1000)), "value");
}

TEST(GrpcStore, TheEndOfTheServiceEndsWaitingReaders) {
  const std::string address = free_address();
  auto host = make_grpc_store(address, 0, milliseconds(5000));
  const auto client = make_grpc_store(address, 1, milliseconds(5000));
  std::thread end([&] {
    std::this_thread::sleep_for(milliseconds(100));
    const auto start = Clock::now();
    host.reset();
    EXPECT_LT(seconds_since(start), 1.5);
  });
  const auto start = Clock::now();
  try {
    static_cast<void>(client->get("never", milliseconds(10000)));
    ADD_FAILURE() << "got a key that nobody set";
  } catch (const PeerError& error) {
    EXPECT_NE(std::string(error.what()).find("rank 0, which serves it, died or ended"), std::string::npos)
        << error.what();
  }
  EXPECT_LT(seconds_since(start), 2.0);
  end.join();
  EXPECT_THROW(client->set("key", "value"), PeerError);
}

}  // namespace
}  // namespace dml::test
