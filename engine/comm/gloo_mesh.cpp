#include "engine/comm/gloo_mesh.h"

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <gloo/transport/tcp/device.h>
#include <limits>
#include <mutex>
#include <netdb.h>
#include <random>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "engine/comm/host_communicator.h"

namespace dml {
namespace {

using Clock = std::chrono::steady_clock;

// Both ends name the one receive buffer of a connection by this number.
constexpr int kSlot = 0;

/// Calls `function` on a thread of its own if it is still alive after `limit`.
class Watchdog {
 public:
  template <class Function>
  Watchdog(Clock::time_point limit, Function function)
      : thread_([this, limit, function] {
          std::unique_lock lock(mutex_);
          if (changed_.wait_until(lock, limit, [this] { return called_off_; })) return;
          bitten_ = true;
          lock.unlock();
          function();
        }) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() { call_off(); }

  /// Returns whether it had to bite.
  bool call_off() {
    {
      const std::lock_guard lock(mutex_);
      called_off_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    return bitten_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool called_off_ = false;
  bool bitten_ = false;
  std::thread thread_;
};

/// A write to a connection whose peer has died raises SIGPIPE, and Gloo does not ask for EPIPE instead.
void ignore_sigpipe() {
  struct sigaction action {};
  if (::sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &action, nullptr);
  }
}

/// Whether a socket of this host can have the address, and if not, why.
std::string why_not_local(const addrinfo& candidate) {
  const int socket = ::socket(candidate.ai_family, candidate.ai_socktype, candidate.ai_protocol);
  if (socket < 0) return std::strerror(errno);
  const bool bound = ::bind(socket, candidate.ai_addr, candidate.ai_addrlen) == 0;
  std::string problem = bound ? "" : std::strerror(errno);
  ::close(socket);
  return problem;
}

/// Throws UnavailableError unless peers can connect to `address` on this host. Asked before Gloo, which (0.5)
/// reads an uninitialised pointer when a name does not resolve and leaks memory when its address is another
/// host's.
void check_interface_address(const std::string& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::string problem;
  if (const int error = ::getaddrinfo(address.c_str(), nullptr, &hints, &found); error != 0) {
    problem = ::gai_strerror(error);
  } else {
    for (const addrinfo* candidate = found; candidate != nullptr; candidate = candidate->ai_next) {
      problem = why_not_local(*candidate);
      if (problem.empty()) break;
    }
    ::freeaddrinfo(found);
  }
  if (problem.empty()) return;
  throw UnavailableError("peers cannot connect to the address '" + address + "': " + problem +
                         ". Name an address or host name of one of this host's network interfaces.");
}

/// Gloo's messages begin with "[file:line] ".
std::string without_source_line(std::string_view text) {
  if (const auto end = text.find("] "); text.starts_with('[') && end != std::string_view::npos)
    text.remove_prefix(end + 2);
  return std::string(text);
}

/// A number that only those can know who have read it from the store.
std::uint64_t random_token() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

std::string key_of(const std::string& prefix, int rank) {
  return prefix + "/rank " + std::to_string(rank);
}

}  // namespace

GlooLink::GlooLink(gloo::transport::Pair& pair, int peer)
    : pair_(pair), peer_(peer), staging_(static_cast<std::int64_t>(kFrameBytes), DType::u8) {
  receive_buffer_ = pair_.createRecvBuffer(kSlot, staging_.view().data, kFrameBytes);
  // A send buffer is a base address and a bound; Gloo adds an offset to it for every send. With base 0 and no
  // bound, the offset is the address, and one buffer serves all of memory without an allocation per call.
  send_buffer_ = pair_.createSendBuffer(kSlot, nullptr, std::numeric_limits<std::size_t>::max());
}

template <class Function>
void GlooLink::guarded(Function&& function) const {
  try {
    function();
  } catch (const std::exception& error) {
    const std::string text = without_source_line(error.what());
    const std::string who = "rank " + std::to_string(peer_);
    if (text.find("timeout") != std::string::npos) {
      throw PeerFault(who + " did not take part, or is stuck: nothing from it before the deadline (" + text +
                      ")");
    }
    throw PeerFault(who + " died or ended early: its connection is closed (" + text + ")");
  }
}

void GlooLink::connect(const std::vector<char>& address) {
  guarded([&] { pair_.connect(address); });
}

void GlooLink::enter_blocking_mode() {
  guarded([this] { pair_.setSync(true, false); });
}

void GlooLink::send_frame(const std::byte* data, std::size_t bytes) {
  guarded([&] {
    send_buffer_->send(reinterpret_cast<std::size_t>(data), bytes, 0);
    send_buffer_->waitSend();  // done already; Gloo counts on being asked
  });
}

std::byte* GlooLink::receive_frame() {
  guarded([this] { receive_buffer_->waitRecv(); });
  return static_cast<std::byte*>(staging_.view().data);
}

GlooMesh::GlooMesh(Store& store, const CommunicatorOptions& options)
    : rank_(options.rank), size_(options.size), token_(random_token()) {
  const auto start = Clock::now();
  ignore_sigpipe();
  check_interface_address(options.interface_address);
  const auto failure = [&](const std::string& cause) {
    OperationCall call{.name = "connecting", .elements = -1};
    if (awaited_ >= 0) call.preposition = "to", call.peer = awaited_;
    return operation_failure(rank_, call, Clock::now() - start, options.deadline, cause);
  };
  try {
    gloo::transport::tcp::attr attributes;
    attributes.hostname = options.interface_address;
    device_ = gloo::transport::tcp::CreateDevice(attributes);
    for (std::size_t traffic = 0; traffic < kTrafficKinds; ++traffic) {
      contexts_.push_back(device_->createContext(rank_, size_));
      contexts_.back()->setTimeout(options.deadline);
    }
    const std::string invitation = listen();
    // Gloo waits five times its timeout for a peer to connect; closing the pairs ends that wait on time.
    Watchdog watchdog(start + options.deadline, [this] { close(); });
    try {
      store.set(key_of(options.name, rank_), invitation);
      connect(store, options.name, start + options.deadline);
      greet();
    } catch (...) {
      if (watchdog.call_off()) throw PeerFault(awaited_text() + " did not join before the deadline");
      throw;
    }
    if (watchdog.call_off()) throw PeerFault(awaited_text() + " joined after the deadline");
  } catch (const Error&) {
    throw;  // of the store or the user, not of a peer
  } catch (const std::exception& error) {
    throw failure(error.what());
  }
}

std::string GlooMesh::awaited_text() const {
  return awaited_ < 0 ? "a rank" : "rank " + std::to_string(awaited_);
}

template <class Function>
void GlooMesh::for_each_link(Function&& function) {
  for (auto& links : links_) {
    for (auto& link : links) {
      if (!link) continue;
      awaited_ = link->peer();
      function(*link);
    }
  }
}

void GlooMesh::close() {
  for (auto& context : contexts_) {
    for (int peer = 0; peer < size_; ++peer) {
      if (peer != rank_) context->getPair(peer)->close();
    }
  }
}

/// Opens a listening socket for every connection. Returns what the others need to know: the size of the
/// world, this rank's token, and the addresses by traffic and peer.
std::string GlooMesh::listen() {
  std::string invitation = std::to_string(size_) + ":" + std::to_string(token_) + ":";
  for (auto& context : contexts_) {
    auto& links = links_.emplace_back();
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_) {
        links.push_back(nullptr);
        continue;
      }
      gloo::transport::Pair& pair = *context->createPair(peer);
      const std::vector<char> address = pair.address().bytes();
      invitation.append(address.begin(), address.end());
      links.push_back(std::make_unique<GlooLink>(pair, peer));
    }
  }
  return invitation;
}

void GlooMesh::connect(Store& store, const std::string& key_prefix, Clock::time_point limit) {
  tokens_.resize(static_cast<std::size_t>(size_));
  for (int peer = 0; peer < size_; ++peer) {
    if (peer == rank_) continue;
    awaited_ = peer;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - Clock::now());
    std::string invitation;
    try {
      invitation = store.get(key_of(key_prefix, peer), std::max(left, std::chrono::milliseconds{0}));
    } catch (const PeerError& error) {
      throw PeerFault("rank " + std::to_string(peer) + " did not join before the deadline: " + error.what());
    }
    const std::size_t size_end = invitation.find(':');
    const std::size_t token_end = invitation.find(':', size_end + 1);
    const std::string size = invitation.substr(0, size_end);
    if (size != std::to_string(size_)) {
      throw UsageError("rank " + std::to_string(rank_) + " was told that there are " + std::to_string(size_) +
                       " ranks, rank " + std::to_string(peer) + " that there are " + size +
                       ". Start all ranks of a run with the same number of ranks.");
    }
    tokens_[static_cast<std::size_t>(peer)] = std::stoull(invitation.substr(size_end + 1));
    // Within a peer's list, this rank's place counts the ranks before it, without the peer itself.
    const std::size_t links = static_cast<std::size_t>(size_) - 1;
    const std::size_t bytes = (invitation.size() - token_end - 1) / (kTrafficKinds * links);
    const auto place = static_cast<std::size_t>(rank_ < peer ? rank_ : rank_ - 1);
    for (std::size_t traffic = 0; traffic < kTrafficKinds; ++traffic) {
      const char* first = invitation.data() + token_end + 1 + (traffic * links + place) * bytes;
      link(static_cast<Traffic>(traffic), peer).connect(std::vector<char>(first, first + bytes));
    }
    // A connection that the watchdog has closed looks to Gloo as if it had been made.
    if (Clock::now() >= limit) throw PeerFault(awaited_text() + " did not join before the deadline");
  }
}

/// Exchanges one full frame on every connection, which holds the token of its receiver. It proves that all
/// ranks have connected everywhere and that no other program has come in, and it makes Gloo size the kernel's
/// send buffers for frames of this length.
void GlooMesh::greet() {
  for_each_link([](GlooLink& link) { link.enter_blocking_mode(); });
  const HostBuffer frame(static_cast<std::int64_t>(kFrameBytes), DType::u8);
  auto* first = static_cast<std::byte*>(frame.view().data);
  for_each_link([&](GlooLink& link) {
    FrameHeader hello;
    hello.kind = FrameKind::hello;
    hello.sequence = static_cast<std::uint64_t>(rank_);
    hello.message_bytes = tokens_[static_cast<std::size_t>(link.peer())];
    std::memcpy(first, &hello, sizeof hello);
    link.send_frame(first, kFrameBytes);
  });
  for_each_link([&](GlooLink& link) {
    FrameHeader hello;
    std::memcpy(&hello, link.receive_frame(), sizeof hello);
    if (hello.kind != FrameKind::hello || hello.sequence != static_cast<std::uint64_t>(link.peer()) ||
        hello.message_bytes != token_) {
      throw PeerFault("a stranger has connected in place of rank " + std::to_string(link.peer()) +
                      ": another program or run uses this host's ports");
    }
  });
}

}  // namespace dml
