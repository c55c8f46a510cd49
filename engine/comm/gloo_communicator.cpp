// Ranks as processes, over TCP connections that Gloo makes and runs in blocking mode (gloo_mesh.h).
//
// Every collective is a series of steps; in a step each rank first writes at most one frame to each peer,
// then reads at most one frame from each. No step can deadlock: take the rank that is furthest behind. Its
// peers have read everything older than the step it is in, so each of its frames meets an empty connection,
// and one frame fits into the kernel's buffers without a reader. So it gets to its reads, and what it reads
// was written by ranks that are in this step or past it.
//
// all_reduce adds in rank order, so its bits do not depend on the algorithm, which is chosen by size alone:
//   exchange  (2 ranks, or at most kExchangeBytes): every rank sends all its values to every peer and adds up
//   what
//             it gets. One step of latency per frame, (n-1) S bytes written by each rank.
//   scatter   (otherwise): every rank owns one n-th, gets that part from all, adds it up and sends out the
//   result. Two
//             steps of latency per frame, 2 (n-1)/n S bytes written by each rank.
#include <cstring>
#include <exception>

#include "engine/comm/gloo_mesh.h"
#include "engine/comm/gloo_outbox.h"
#include "engine/comm/host_communicator.h"
#include "engine/comm/sum.h"

namespace dml {
namespace {

using Clock = std::chrono::steady_clock;

// Measured on two cores, exchange / scatter in ms. 2 ranks: 4 KB .027/.037, 208 KB .052/.056, 4 MB 1.08/1.05,
// so always exchange. 3 ranks: 16 KB .052/.059, 208 KB .29/.18. 4 ranks: 8 KB .054/.061, 16 KB .070/.066, 208
// KB .48/.16.
constexpr std::size_t kExchangeBytes = std::size_t{16} << 10U;
// How long a destructor waits for messages that their receivers have not taken yet.
constexpr std::chrono::seconds kLongestFlush{1};

const char* to_text(FrameKind kind) {
  switch (kind) {
    case FrameKind::hello:
      return "hello";
    case FrameKind::barrier:
      return "barrier";
    case FrameKind::all_reduce:
      return "all_reduce";
    case FrameKind::all_reduce_part:
      return "all_reduce (part)";
    case FrameKind::all_reduce_result:
      return "all_reduce (result)";
    case FrameKind::all_gather:
      return "all_gather";
    case FrameKind::broadcast:
      return "broadcast";
    case FrameKind::message:
      return "message";
  }
  return "unknown operation";
}

std::string to_text(const FrameHeader& header) {
  return std::string(to_text(header.kind)) + " number " + std::to_string(header.sequence) + " of " +
         std::to_string(header.bytes) + " bytes of " + to_string(static_cast<DType>(header.dtype));
}

std::byte* bytes_of(View view) {
  return static_cast<std::byte*>(view.data);
}

class GlooCommunicator final : public HostCommunicator {
 public:
  GlooCommunicator(Store& store, const CommunicatorOptions& options);
  GlooCommunicator(const GlooCommunicator&) = delete;
  GlooCommunicator& operator=(const GlooCommunicator&) = delete;
  ~GlooCommunicator() override;

  [[nodiscard]] std::string name() const override { return "gloo"; }
  [[nodiscard]] std::optional<std::int64_t> bytes_sent() const override { return bytes_sent_; }

 private:
  void all_reduce_checked(View values) override;
  void all_gather_checked(View values, View gathered) override;
  void broadcast_checked(View values, int root) override;
  void send_checked(View values, int peer) override;
  void recv_checked(View values, int peer) override;
  void barrier_checked() override;

  void all_reduce_by_exchange(View values);
  void all_reduce_by_scatter(View values);
  /// Adds block `block` of all ranks' copies of `values` in rank order, this rank's own included, into
  /// `values`.
  void add_block(const FrameHeader& header, View values, std::size_t index, Block block);

  [[nodiscard]] FrameHeader collective_header(FrameKind kind, DType dtype, std::size_t bytes) const;
  /// Sends block `index` of `payload` to `peer` as part of a collective.
  void send_block(const FrameHeader& header, const std::byte* payload, std::size_t index, int peer);
  /// Receives block `index` of a collective from `peer`; the memory is the connection's, until its next
  /// frame.
  std::byte* receive_block(const FrameHeader& expected, std::size_t index, int peer);
  /// Checks the header at the start of `frame` and takes note of what it acknowledges.
  void check_header(const FrameHeader& expected, const std::byte* frame, int peer);
  void check_deadline(int peer) const;

  /// Calls `function` with every rank but this one, in rank order.
  template <class Function>
  void for_each_peer(Function&& function) const {
    for (int peer = 0; peer < size(); ++peer) {
      if (peer != rank()) function(peer);
    }
  }
  template <class T>
  static T& at(std::vector<T>& list, int rank) {
    return list[static_cast<std::size_t>(rank)];
  }

  std::shared_ptr<GlooMesh> mesh_;
  HostBuffer frame_;  ///< where the header and the first block of a collective are put together
  std::uint64_t collectives_ = 0;
  std::int64_t bytes_sent_ = 0;
  // By peer:
  std::vector<std::unique_ptr<GlooOutbox>> outboxes_;
  std::vector<std::uint64_t> messages_sent_;
  std::vector<std::uint64_t> messages_received_;
  std::vector<std::uint64_t> message_bytes_received_;
};

GlooCommunicator::GlooCommunicator(Store& store, const CommunicatorOptions& options)
    : HostCommunicator(options.rank, options.size, options.deadline),
      mesh_(std::make_shared<GlooMesh>(store, options)),
      frame_(static_cast<std::int64_t>(kFrameBytes), DType::u8),
      outboxes_(static_cast<std::size_t>(options.size)),
      messages_sent_(static_cast<std::size_t>(options.size)),
      messages_received_(static_cast<std::size_t>(options.size)),
      message_bytes_received_(static_cast<std::size_t>(options.size)) {
  for_each_peer([this](int peer) {
    const Traffic outgoing = rank() < peer ? Traffic::messages_up : Traffic::messages_down;
    at(outboxes_, peer) = std::make_unique<GlooOutbox>(mesh_, outgoing, peer);
  });
}

GlooCommunicator::~GlooCommunicator() {
  // A failure on this rank must reach the others soon, so only a rank that ends in good order waits.
  if (failed() || std::uncaught_exceptions() > 0) return;
  const auto limit = Clock::now() + std::min<Clock::duration>(deadline(), kLongestFlush);
  for_each_peer([&](int peer) { at(outboxes_, peer)->flush(limit); });
}

FrameHeader GlooCommunicator::collective_header(FrameKind kind, DType dtype, std::size_t bytes) const {
  FrameHeader header;
  header.kind = kind;
  header.dtype = static_cast<std::uint32_t>(dtype);
  header.sequence = collectives_;
  header.bytes = bytes;
  return header;
}

void GlooCommunicator::send_block(const FrameHeader& header, const std::byte* payload, std::size_t index,
                                  int peer) {
  GlooLink& link = mesh_->link(Traffic::collectives, peer);
  const Block block = Blocks(header.bytes)[index];
  bytes_sent_ += static_cast<std::int64_t>(block.bytes + (index == 0 ? sizeof(FrameHeader) : 0));
  if (index != 0) return link.send_frame(payload + block.offset, block.bytes);
  FrameHeader complete = header;
  complete.message_bytes = at(message_bytes_received_, peer);
  std::byte* frame = bytes_of(frame_.view());
  std::memcpy(frame, &complete, sizeof complete);
  if (block.bytes != 0) std::memcpy(frame + sizeof complete, payload, block.bytes);
  link.send_frame(frame, sizeof complete + block.bytes);
}

std::byte* GlooCommunicator::receive_block(const FrameHeader& expected, std::size_t index, int peer) {
  std::byte* frame = mesh_->link(Traffic::collectives, peer).receive_frame();
  if (index != 0) {
    check_deadline(peer);
    return frame;
  }
  check_header(expected, frame, peer);
  return frame + sizeof(FrameHeader);
}

void GlooCommunicator::check_header(const FrameHeader& expected, const std::byte* frame, int peer) {
  FrameHeader header;
  std::memcpy(&header, frame, sizeof header);
  if (header.kind != expected.kind || header.dtype != expected.dtype ||
      header.sequence != expected.sequence || header.bytes != expected.bytes) {
    throw PeerFault("rank " + std::to_string(peer) + " sent " + to_text(header) +
                    " where this rank expects " + to_text(expected) +
                    ": all ranks must call the same operations in the same order and sizes");
  }
  at(outboxes_, peer)->acknowledge(header.message_bytes);
}

/// The connection's own deadline starts anew with every frame; a slow trickle of frames ends here.
void GlooCommunicator::check_deadline(int peer) const {
  if (Clock::now() - started() > deadline()) {
    throw PeerFault("rank " + std::to_string(peer) +
                    " was too slow: the deadline passed before the last frame");
  }
}

void GlooCommunicator::all_reduce_checked(View values) {
  if (size() == 2 || values.bytes() <= kExchangeBytes) {
    all_reduce_by_exchange(values);
  } else {
    all_reduce_by_scatter(values);
  }
  ++collectives_;
}

void GlooCommunicator::all_reduce_by_exchange(View values) {
  const FrameHeader header = collective_header(FrameKind::all_reduce, values.dtype, values.bytes());
  const Blocks blocks(values.bytes());
  for (std::size_t index = 0; index < blocks.count(); ++index) {
    for_each_peer([&](int peer) { send_block(header, bytes_of(values), index, peer); });
    add_block(header, values, index, blocks[index]);
  }
}

void GlooCommunicator::add_block(const FrameHeader& header, View values, std::size_t index, Block block) {
  const std::size_t element_bytes = size_in_bytes(values.dtype);
  const View own = values.slice(static_cast<std::int64_t>(block.offset / element_bytes),
                                static_cast<std::int64_t>(block.bytes / element_bytes));
  // The ranks below this one are added up in the memory where rank 0's block arrived; a + b equals b + a bit
  // by bit.
  View below{nullptr, own.elements, own.dtype};
  for (int peer = 0; peer < rank(); ++peer) {
    std::byte* received = receive_block(header, index, peer);
    if (peer == 0) {
      below.data = received;
    } else {
      add_elements(below, received);
    }
  }
  if (rank() > 0) add_elements(own, bytes_of(below));
  for (int peer = rank() + 1; peer < size(); ++peer) add_elements(own, receive_block(header, index, peer));
}

void GlooCommunicator::all_reduce_by_scatter(View values) {
  const auto part_of = [&](int owner) {
    const std::int64_t first = values.elements * owner / size();
    return values.slice(first, values.elements * (owner + 1) / size() - first);
  };
  const auto header_of = [&](FrameKind kind, int owner) {
    return collective_header(kind, values.dtype, part_of(owner).bytes());
  };
  const auto has_block = [&](int owner, std::size_t index) {
    return index < Blocks(part_of(owner).bytes()).count();
  };
  const View own = part_of(rank());
  std::size_t rounds = 0;
  for (int owner = 0; owner < size(); ++owner)
    rounds = std::max(rounds, Blocks(part_of(owner).bytes()).count());

  for (std::size_t index = 0; index < rounds; ++index) {
    for_each_peer([&](int peer) {
      if (!has_block(peer, index)) return;
      send_block(header_of(FrameKind::all_reduce_part, peer), bytes_of(part_of(peer)), index, peer);
    });
    if (has_block(rank(), index)) {
      add_block(header_of(FrameKind::all_reduce_part, rank()), own, index, Blocks(own.bytes())[index]);
      const FrameHeader result = header_of(FrameKind::all_reduce_result, rank());
      for_each_peer([&](int peer) { send_block(result, bytes_of(own), index, peer); });
    }
    for_each_peer([&](int peer) {
      if (!has_block(peer, index)) return;
      const View part = part_of(peer);
      const Block block = Blocks(part.bytes())[index];
      const std::byte* received = receive_block(header_of(FrameKind::all_reduce_result, peer), index, peer);
      std::memcpy(bytes_of(part) + block.offset, received, block.bytes);
    });
  }
}

void GlooCommunicator::all_gather_checked(View values, View gathered) {
  const auto place_of = [&](int owner) { return gathered.slice(owner * values.elements, values.elements); };
  const FrameHeader header = collective_header(FrameKind::all_gather, values.dtype, values.bytes());
  const Blocks blocks(values.bytes());
  for (std::size_t index = 0; index < blocks.count(); ++index) {
    for_each_peer([&](int peer) { send_block(header, bytes_of(values), index, peer); });
    for_each_peer([&](int peer) {
      const std::byte* received = receive_block(header, index, peer);
      std::memcpy(bytes_of(place_of(peer)) + blocks[index].offset, received, blocks[index].bytes);
    });
  }
  std::memmove(place_of(rank()).data, values.data, values.bytes());
  ++collectives_;
}

void GlooCommunicator::broadcast_checked(View values, int root) {
  const FrameHeader header = collective_header(FrameKind::broadcast, values.dtype, values.bytes());
  const Blocks blocks(values.bytes());
  for (std::size_t index = 0; index < blocks.count(); ++index) {
    if (rank() == root) {
      for_each_peer([&](int peer) { send_block(header, bytes_of(values), index, peer); });
    } else {
      const std::byte* received = receive_block(header, index, root);
      std::memcpy(bytes_of(values) + blocks[index].offset, received, blocks[index].bytes);
    }
  }
  ++collectives_;
}

void GlooCommunicator::barrier_checked() {
  const FrameHeader header = collective_header(FrameKind::barrier, DType::u8, 0);
  for_each_peer([&](int peer) { send_block(header, bytes_of(frame_.view()), 0, peer); });
  for_each_peer([&](int peer) { receive_block(header, 0, peer); });
  ++collectives_;
}

void GlooCommunicator::send_checked(View values, int peer) {
  FrameHeader header;
  header.kind = FrameKind::message;
  header.dtype = static_cast<std::uint32_t>(values.dtype);
  header.sequence = at(messages_sent_, peer)++;
  header.bytes = values.bytes();
  header.message_bytes = at(message_bytes_received_, peer);
  bytes_sent_ += static_cast<std::int64_t>(sizeof header + values.bytes());
  at(outboxes_, peer)->send(header, bytes_of(values));
}

void GlooCommunicator::recv_checked(View values, int peer) {
  at(outboxes_, peer)->check();
  GlooLink& link = mesh_->link(peer < rank() ? Traffic::messages_up : Traffic::messages_down, peer);
  FrameHeader expected;
  expected.kind = FrameKind::message;
  expected.dtype = static_cast<std::uint32_t>(values.dtype);
  expected.sequence = at(messages_received_, peer)++;
  expected.bytes = values.bytes();
  const Blocks blocks(values.bytes());
  for (std::size_t index = 0; index < blocks.count(); ++index) {
    const std::byte* received = link.receive_frame();
    if (index == 0) {
      check_header(expected, received, peer);
      received += sizeof(FrameHeader);
    } else {
      check_deadline(peer);
    }
    if (const Block block = blocks[index]; block.bytes != 0)
      std::memcpy(bytes_of(values) + block.offset, received, block.bytes);
  }
  at(message_bytes_received_, peer) += sizeof(FrameHeader) + values.bytes();
}

}  // namespace

std::unique_ptr<Communicator> make_gloo_communicator(Store& store, const CommunicatorOptions& options) {
  DML_ASSERT(options.size >= 1 && options.rank >= 0 && options.rank < options.size,
             "rank " + std::to_string(options.rank) + " of " + std::to_string(options.size));
  DML_ASSERT(options.deadline.count() > 0, "a communicator needs a deadline");
  if (options.size == 1) return make_solo_communicator();
  return std::make_unique<GlooCommunicator>(store, options);
}

}  // namespace dml
