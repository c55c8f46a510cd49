// TCP connections between all pairs of ranks, made by Gloo and used in its blocking mode.
//
// Every pair of ranks has three connections: one for collectives, and one for messages in each direction, so
// that a rank that waits inside a collective or a recv never holds up a thread that is still delivering
// messages.
//
// Why Gloo's own collectives are not used: they move data on an event-loop thread, and on a machine whose
// cores are busy computing every hop through that thread waits for a scheduler slice. Gloo's pairs can be
// switched to blocking mode, in which the calling thread itself writes to and reads from the socket; the
// kernel then wakes exactly the thread that needs the data. Measured for 208 KB between two processes that
// each compute for 1.5 ms in between, on two cores that other programs kept busy too, mean ms: Gloo's
// ring 2.6, its unbound buffers 2.0, blocking mode 1.0, blocking mode with each rank bound to a core of its
// own 0.1. Without binding, a crowded scheduler puts both ranks on one core now and then: whoever starts
// ranks does well to bind them. Gloo can also poll busily in blocking mode: alone on the machine that saves
// 0.03 ms, and where ranks outnumber free cores it costs whole slices, so it stays off.
#pragma once

#include <gloo/transport/buffer.h>
#include <gloo/transport/context.h>
#include <gloo/transport/device.h>
#include <memory>
#include <string>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/comm/gloo_frame.h"
#include "kernels/base/buffer.h"

namespace dml {

enum class Traffic : std::size_t {
  collectives,
  messages_up,
  messages_down
};  ///< up: from a lower rank to a higher
inline constexpr std::size_t kTrafficKinds = 3;

/// One connection to one peer. Not thread-safe. Errors of the transport become PeerFault naming the peer.
class GlooLink {
 public:
  GlooLink(gloo::transport::Pair& pair, int peer);

  /// Connects to the peer, whose listening socket has `address`, or waits for the peer to connect to this
  /// one.
  void connect(const std::vector<char>& address);

  /// From here on the calling thread does the reading and writing. Waits for the event loop to let go of the
  /// socket.
  void enter_blocking_mode();

  /// Hands `bytes` (at most kFrameBytes) to the kernel; the memory may be reused on return. Blocks only when
  /// the kernel's buffers are full.
  void send_frame(const std::byte* data, std::size_t bytes);

  /// Waits for the next frame. The memory (kFrameBytes, 64-byte aligned) may be written to and is overwritten
  /// by the next call; how much of it the frame filled is the protocol's business.
  std::byte* receive_frame();

  [[nodiscard]] int peer() const { return peer_; }

 private:
  template <class Function>
  void guarded(Function&& function) const;

  gloo::transport::Pair& pair_;
  int peer_;
  HostBuffer staging_;
  std::unique_ptr<gloo::transport::Buffer> receive_buffer_;
  std::unique_ptr<gloo::transport::Buffer> send_buffer_;
};

/// The connections of one rank.
class GlooMesh {
 public:
  /// Connects to all peers; when it returns, every rank has connected and `store` is no longer needed.
  GlooMesh(Store& store, const CommunicatorOptions& options);

  /// `peer` is any rank but this one.
  [[nodiscard]] GlooLink& link(Traffic traffic, int peer) {
    return *links_[static_cast<std::size_t>(traffic)][static_cast<std::size_t>(peer)];
  }

 private:
  [[nodiscard]] std::string listen();
  void connect(Store& store, const std::string& key_prefix, std::chrono::steady_clock::time_point limit);
  void greet();
  void close();
  [[nodiscard]] std::string awaited_text() const;
  /// Calls `function` with every link.
  template <class Function>
  void for_each_link(Function&& function);

  const int rank_;
  const int size_;
  const std::uint64_t token_;          ///< proves to this rank that a peer has read its invitation
  std::vector<std::uint64_t> tokens_;  ///< of the others, by rank
  int awaited_ = -1;                   ///< the rank that connecting waits for, for messages
  // Destroyed from the last to the first: links use pairs, pairs use the device.
  std::shared_ptr<gloo::transport::Device> device_;
  std::vector<std::shared_ptr<gloo::transport::Context>> contexts_;  ///< by Traffic
  std::vector<std::vector<std::unique_ptr<GlooLink>>> links_;        ///< by Traffic, by peer
};

}  // namespace dml
