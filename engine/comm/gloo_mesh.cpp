#include "engine/comm/gloo_mesh.h"

#include <condition_variable>
#include <csignal>
#include <cstring>
#include <gloo/transport/tcp/device.h>
#include <limits>
#include <mutex>
#include <netdb.h>
#include <string_view>
#include <thread>

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

std::shared_ptr<gloo::transport::Device> make_device(const std::string& address) {
  const auto fail = [&address](const std::string& cause) -> UnavailableError {
    return UnavailableError("peers cannot connect to the address '" + address + "': " + cause +
                            ". Name an address or host name of one of this host's network interfaces.");
  };
  // Gloo 0.5 reads an uninitialised pointer when a name does not resolve, so it is resolved here first.
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(address.c_str(), nullptr, &hints, &found); error != 0) {
    throw fail(::gai_strerror(error));
  }
  ::freeaddrinfo(found);
  gloo::transport::tcp::attr attributes;
  attributes.hostname = address;
  try {
    return gloo::transport::tcp::CreateDevice(attributes);
  } catch (const std::exception& error) {
    throw fail(error.what());
  }
}

/// Gloo's messages begin with "[file:line] ".
std::string without_source_line(std::string_view text) {
  if (const auto end = text.find("] "); text.starts_with('[') && end != std::string_view::npos)
    text.remove_prefix(end + 2);
  return std::string(text);
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
    : rank_(options.rank), size_(options.size) {
  const auto start = Clock::now();
  int peer = -1;  // the one being waited for
  const auto failure = [&](const std::string& cause) {
    OperationCall call{.name = "connecting", .elements = -1};
    if (peer >= 0) call.preposition = "to", call.peer = peer;
    return operation_failure(rank_, call, Clock::now() - start, options.deadline, cause);
  };
  ignore_sigpipe();
  device_ = make_device(options.interface_address);
  for (std::size_t traffic = 0; traffic < kTrafficKinds; ++traffic) {
    contexts_.push_back(device_->createContext(rank_, size_));
    contexts_.back()->setTimeout(options.deadline);
  }
  store.set(key_of(options.name, rank_), listen());

  // Gloo waits five times its timeout for a peer to connect; closing the pairs ends that wait on time.
  Watchdog watchdog(start + options.deadline, [this] {
    for (auto& context : contexts_) {
      for (int p = 0; p < size_; ++p) {
        if (p != rank_) context->getPair(p)->close();
      }
    }
  });
  try {
    connect(store, options.name, start + options.deadline, peer);
    greet(peer);
  } catch (const UsageError&) {
    throw;
  } catch (const std::exception& error) {
    const std::string who = peer < 0 ? "a rank" : "rank " + std::to_string(peer);
    if (watchdog.call_off()) throw failure(who + " did not join before the deadline");
    throw failure(error.what());
  }
  if (watchdog.call_off()) throw failure("the deadline passed");
}

/// Opens a listening socket for every connection. Returns their addresses: the world's size, then by traffic
/// and peer.
std::string GlooMesh::listen() {
  std::string addresses = std::to_string(size_) + ":";
  for (auto& context : contexts_) {
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_) continue;
      const std::vector<char> address = context->createPair(peer)->address().bytes();
      addresses.append(address.begin(), address.end());
    }
  }
  return addresses;
}

void GlooMesh::connect(Store& store, const std::string& key_prefix, Clock::time_point limit, int& peer) {
  for (auto& context : contexts_) {
    auto& links = links_.emplace_back();
    for (int p = 0; p < size_; ++p) {
      links.push_back(p == rank_ ? nullptr : std::make_unique<GlooLink>(*context->getPair(p), p));
    }
  }
  for (int p = 0; p < size_; ++p) {
    if (p == rank_) continue;
    peer = p;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - Clock::now());
    const std::string value = store.get(key_of(key_prefix, p), std::max(left, std::chrono::milliseconds{0}));
    const std::size_t colon = value.find(':');
    const std::string size = value.substr(0, colon);
    if (size != std::to_string(size_)) {
      throw UsageError("rank " + std::to_string(rank_) + " was told that there are " + std::to_string(size_) +
                       " ranks, rank " + std::to_string(p) + " that there are " + size +
                       ". Start all ranks of a run with the same number of ranks.");
    }
    // Within a peer's list, this rank's place counts the ranks before it, without the peer itself.
    const std::size_t links = static_cast<std::size_t>(size_) - 1;
    const std::size_t bytes = (value.size() - colon - 1) / (kTrafficKinds * links);
    const auto place = static_cast<std::size_t>(rank_ < p ? rank_ : rank_ - 1);
    for (std::size_t traffic = 0; traffic < kTrafficKinds; ++traffic) {
      const char* first = value.data() + colon + 1 + (traffic * links + place) * bytes;
      contexts_[traffic]->getPair(p)->connect(std::vector<char>(first, first + bytes));
    }
  }
}

/// Exchanges one full frame on every connection. It proves that all ranks have connected everywhere and are
/// who they say, and it makes Gloo size the kernel's send buffers for frames of this length.
void GlooMesh::greet(int& peer) {
  for (auto& links : links_) {
    for (auto& link : links) {
      if (link) peer = link->peer(), link->enter_blocking_mode();
    }
  }
  HostBuffer frame(static_cast<std::int64_t>(kFrameBytes), DType::u8);
  FrameHeader hello;
  hello.kind = FrameKind::hello;
  hello.sequence = static_cast<std::uint64_t>(rank_);
  hello.bytes = kFrameBytes - sizeof hello;
  std::memcpy(frame.view().data, &hello, sizeof hello);
  for (auto& links : links_) {
    for (auto& link : links) {
      if (!link) continue;
      peer = link->peer();
      link->send_frame(static_cast<const std::byte*>(frame.view().data), kFrameBytes);
    }
  }
  for (auto& links : links_) {
    for (auto& link : links) {
      if (!link) continue;
      peer = link->peer();
      FrameHeader answer;
      std::memcpy(&answer, link->receive_frame(), sizeof answer);
      if (answer.kind != FrameKind::hello || answer.sequence != static_cast<std::uint64_t>(link->peer())) {
        throw PeerFault("a stranger answered in place of rank " + std::to_string(link->peer()));
      }
    }
  }
}

}  // namespace dml
