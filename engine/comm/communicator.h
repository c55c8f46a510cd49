// The one way ranks exchange data.
//
// Contract: every operation is enqueued on a stream and has finished when the call returns, unless the
// communicator is stream-ordered: those only enqueue. Every operation has a deadline: when a peer dies or
// does not take part in time the call throws PeerError naming this rank, the operation and the cause, and the
// communicator is unusable from then on: every later call throws at once and repeats the first cause. A peer
// that died is noticed at once, one that stalls when the deadline has passed without a byte from it.
// Collectives must be called by all ranks in the same order; sends and receives may come between them in any
// order. Reductions add in rank order, ((x0 + x1) + x2) + ..., whatever the size, the algorithm and the
// communicator: the same inputs give the same bits, on every rank, in every run and on every implementation.
// Views hold f32, f64, u8, i32 or i64 (u8 only where nothing is reduced); empty views are legal everywhere. A
// communicator is used by one thread at a time.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/comm/store.h"
#include "kernels/base/backend.h"
#include "kernels/base/view.h"

namespace dml {

class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  [[nodiscard]] virtual std::string name() const = 0;  ///< "gloo", "threads", "solo"
  /// Whether operations on the memory of a device are only enqueued, on a stream that may be recorded in a
  /// graph once each of them has run by itself.
  [[nodiscard]] virtual bool is_stream_ordered() const { return false; }
  /// Puts what a graph that was just launched on `stream` replays under the deadline.
  virtual void watch_replay(Stream& /*stream*/) {}
  /// Bytes this rank has put on the wire for others so far, headers of the transport below not counted; none
  /// where the library that moves them does not say.
  [[nodiscard]] virtual std::optional<std::int64_t> bytes_sent() const { return std::nullopt; }

  /// values = sum over ranks of values, in place.
  virtual void all_reduce(View values, Stream& stream) = 0;
  /// gathered (size() * values.elements) = the ranks' values in rank order. Same element count on all ranks.
  virtual void all_gather(View values, View gathered, Stream& stream) = 0;
  /// values on every rank = values of `root`.
  virtual void broadcast(View values, int root, Stream& stream) = 0;
  /// Sends to `peer`, whose recv() from this rank takes messages in the order they were sent. May return
  /// before the peer has received; the memory may be reused at once.
  virtual void send(View values, int peer, Stream& stream) = 0;
  /// Waits for the next message from `peer`, which must have exactly values.bytes() bytes: a PeerError naming
  /// both sizes if not.
  virtual void recv(View values, int peer, Stream& stream) = 0;
  /// One message to rank `to` and one from rank `from`, neither of which waits for the other. The peers may
  /// use send() and recv().
  virtual void exchange(View sent, int to, View received, int from, Stream& stream) {
    send(sent, to, stream);  // which does not wait for its receiver
    recv(received, from, stream);
  }
  /// Returns when every rank has called it.
  virtual void barrier(Stream& stream) = 0;
};

struct CommunicatorOptions {
  int rank = 0;
  int size = 1;
  std::chrono::milliseconds deadline{60000};    ///< of every single operation, and of connecting
  std::string interface_address = "127.0.0.1";  ///< the local address or host name peers connect to
  std::string name = "world";  ///< prefix of its keys: unique among the communicators of a store
};

/// A world of one rank: every operation is a copy or nothing, send and recv are errors.
std::unique_ptr<Communicator> make_solo_communicator();

/// Ranks as processes, connected in full mesh over TCP by Gloo. `store` is used only while connecting, and no
/// rank returns before all ranks have read what they need from it. Ignores SIGPIPE in this process unless it
/// is handled already: a dead peer has to be an error and not the end of the process. Throws PeerError when a
/// rank does not join within the deadline, UnavailableError when the interface address is not one of this
/// host.
std::unique_ptr<Communicator> make_gloo_communicator(Store& store, const CommunicatorOptions& options);

/// Ranks as threads of one process, for tests: element r belongs to rank r. If one of them throws and its
/// communicator is destroyed, the others' calls throw PeerError at once.
std::vector<std::unique_ptr<Communicator>> make_thread_communicators(int size,
                                                                     std::chrono::milliseconds deadline);

}  // namespace dml
