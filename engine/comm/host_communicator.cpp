#include "engine/comm/host_communicator.h"

namespace dml {

template <class Function>
void HostCommunicator::run(const OperationCall& call, Stream& stream, Function&& function) {
  if (first_failure_) throw unusable_communicator(rank_, call, *first_failure_);
  stream.synchronize();  // what the operation reads may still be on its way
  started_ = std::chrono::steady_clock::now();
  try {
    function();
  } catch (const PeerFault& fault) {
    const auto elapsed = std::chrono::steady_clock::now() - started_;
    first_failure_ = operation_failure(rank_, call, elapsed, deadline_, fault.what()).what();
    throw PeerError(*first_failure_);
  }
}

void HostCommunicator::check_peer(int peer) const {
  DML_ASSERT(peer >= 0 && peer < size_ && peer != rank_,
             "rank " + std::to_string(rank_) + " of " + std::to_string(size_) +
                 " cannot exchange messages with rank " + std::to_string(peer));
}

void HostCommunicator::all_reduce(View values, Stream& stream) {
  DML_ASSERT(values.dtype != DType::u8, "u8 values are never reduced");
  run({.name = "all_reduce", .elements = values.elements, .dtype = values.dtype}, stream, [&] {
    if (!values.empty()) all_reduce_checked(values);
  });
}

void HostCommunicator::all_gather(View values, View gathered, Stream& stream) {
  DML_ASSERT(values.dtype == gathered.dtype && gathered.elements == size_ * values.elements,
             "all_gather of " + std::to_string(values.elements) + " elements on " + std::to_string(size_) +
                 " ranks into " + std::to_string(gathered.elements));
  run({.name = "all_gather", .elements = values.elements, .dtype = values.dtype}, stream, [&] {
    if (!values.empty()) all_gather_checked(values, gathered);
  });
}

void HostCommunicator::broadcast(View values, int root, Stream& stream) {
  DML_ASSERT(root >= 0 && root < size_,
             "broadcast from rank " + std::to_string(root) + " of " + std::to_string(size_));
  const OperationCall call{.name = "broadcast",
                           .elements = values.elements,
                           .dtype = values.dtype,
                           .preposition = "from",
                           .peer = root};
  run(call, stream, [&] {
    if (!values.empty()) broadcast_checked(values, root);
  });
}

void HostCommunicator::send(View values, int peer, Stream& stream) {
  check_peer(peer);
  const OperationCall call{
      .name = "send", .elements = values.elements, .dtype = values.dtype, .preposition = "to", .peer = peer};
  run(call, stream, [&] { send_checked(values, peer); });
}

void HostCommunicator::recv(View values, int peer, Stream& stream) {
  check_peer(peer);
  const OperationCall call{.name = "recv",
                           .elements = values.elements,
                           .dtype = values.dtype,
                           .preposition = "from",
                           .peer = peer};
  run(call, stream, [&] { recv_checked(values, peer); });
}

void HostCommunicator::barrier(Stream& stream) {
  run({.name = "barrier", .elements = -1}, stream, [&] { barrier_checked(); });
}

}  // namespace dml
