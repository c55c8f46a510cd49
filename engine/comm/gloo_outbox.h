// Messages to one peer, in order, without ever waiting for it.
//
// A message that surely fits into the kernel's buffers is written by the caller. "Surely" is a matter of
// credit: at most kFrameBytes of messages may be under way that the peer has not acknowledged;
// acknowledgements ride on the headers of everything it sends. Any other message is copied and delivered by a
// thread, which exists from the first such message on; later messages queue behind it.
//
// A write cannot be interrupted. If the outbox has to go while its thread is stuck in one, the thread keeps
// the connection (shared ownership) and ends by itself when the write does: at the deadline at the latest.
#pragma once

#include <memory>

#include "engine/comm/gloo_mesh.h"

namespace dml {

class GlooOutbox {
 public:
  GlooOutbox(std::shared_ptr<GlooMesh> mesh, Traffic traffic, int peer);
  GlooOutbox(GlooOutbox&&) noexcept = default;
  GlooOutbox& operator=(GlooOutbox&&) = delete;
  GlooOutbox(const GlooOutbox&) = delete;
  GlooOutbox& operator=(const GlooOutbox&) = delete;
  ~GlooOutbox();

  /// Sends header.bytes bytes from `payload`. Throws PeerFault when an earlier message could not be
  /// delivered.
  void send(const FrameHeader& header, const std::byte* payload);
  /// The peer has received this many bytes of messages (headers included) so far.
  void acknowledge(std::uint64_t message_bytes);
  /// Throws PeerFault when an earlier message could not be delivered.
  void check() const;
  /// Waits until everything has been handed to the kernel. Returns false when `limit` passed first.
  bool flush(std::chrono::steady_clock::time_point limit);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace dml
