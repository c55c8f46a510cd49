// How operations travel over a Gloo connection: the wire format of the Gloo communicator.
//
// What one rank sends to another for one operation is a 32-byte header followed by the payload, cut into
// frames of kFrameBytes (the last one shorter). The header lets the receiver see at once that its peer is in
// another operation, has another size, or skipped one. Headers and payloads are in the byte order of the
// host: ranks run on machines of one kind.
//
// Why frames of 256 KiB: one frame has to fit into the kernel's socket buffers while nobody reads, which is
// what makes the exchanges free of deadlock (gloo_communicator.cpp). Linux grants a socket 2 x 208 KiB at its
// default net.core.wmem_max, more than a frame with the kernel's bookkeeping. Larger frames mean fewer waits,
// and a wait is what costs time: with other work on the cores, a rank that slept may come back milliseconds
// later.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace dml {

enum class FrameKind : std::uint32_t {
  hello,
  barrier,
  all_reduce,         ///< whole values, from every rank to every rank
  all_reduce_part,    ///< one rank's values of the part that the receiver sums
  all_reduce_result,  ///< the summed part of the sender
  all_gather,
  broadcast,
  message
};

struct FrameHeader {
  FrameKind kind = FrameKind::hello;
  std::uint32_t dtype = 0;
  std::uint64_t sequence =
      0;                    ///< operations of this kind of traffic before this one: collectives, or messages
  std::uint64_t bytes = 0;  ///< of the payload
  std::uint64_t message_bytes = 0;  ///< what the sender has received from the receiver as messages: returns
                                    ///< credit. Of a hello: the receiver's token
};
static_assert(sizeof(FrameHeader) == 32, "the header keeps payloads aligned for vector instructions");

inline constexpr std::size_t kFrameBytes = std::size_t{256} << 10U;

/// A run of payload bytes that travels in one frame.
struct Block {
  std::size_t offset = 0;
  std::size_t bytes = 0;
};

/// The blocks of a payload: the first one shares its frame with the header. An empty payload has one empty
/// block.
class Blocks {
 public:
  explicit Blocks(std::size_t payload_bytes) : payload_bytes_(payload_bytes) {}

  [[nodiscard]] std::size_t count() const {
    return std::max<std::size_t>(1, (sizeof(FrameHeader) + payload_bytes_ + kFrameBytes - 1) / kFrameBytes);
  }
  [[nodiscard]] Block operator[](std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : index * kFrameBytes - sizeof(FrameHeader);
    const std::size_t end = std::min(payload_bytes_, (index + 1) * kFrameBytes - sizeof(FrameHeader));
    return {begin, end - begin};
  }

 private:
  std::size_t payload_bytes_;
};

}  // namespace dml
