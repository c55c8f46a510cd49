// What every communicator that works on host memory shares: argument checks, time keeping, and the rule that
// the first failure makes it unusable.
//
// The public operations are final and the same for all; an implementation fills in the protected ones, which
// get checked arguments and report a peer's fault by throwing PeerFault.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

#include "engine/comm/communicator.h"
#include "engine/comm/operation_failure.h"

namespace dml {

/// Who did what, without the operation and its time: HostCommunicator adds those.
struct PeerFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class HostCommunicator : public Communicator {
 public:
  [[nodiscard]] int rank() const final { return rank_; }
  [[nodiscard]] int size() const final { return size_; }

  void all_reduce(View values, Stream& stream) final;
  void all_gather(View values, View gathered, Stream& stream) final;
  void broadcast(View values, int root, Stream& stream) final;
  void send(View values, int peer, Stream& stream) final;
  void recv(View values, int peer, Stream& stream) final;
  void barrier(Stream& stream) final;

 protected:
  HostCommunicator(int rank, int size, std::chrono::milliseconds deadline)
      : rank_(rank), size_(size), deadline_(deadline) {}

  virtual void all_reduce_checked(View values) = 0;
  virtual void all_gather_checked(View values, View gathered) = 0;
  virtual void broadcast_checked(View values, int root) = 0;
  virtual void send_checked(View values, int peer) = 0;
  virtual void recv_checked(View values, int peer) = 0;
  virtual void barrier_checked() = 0;

  [[nodiscard]] std::chrono::milliseconds deadline() const { return deadline_; }
  /// When the operation in progress began.
  [[nodiscard]] std::chrono::steady_clock::time_point started() const { return started_; }
  [[nodiscard]] bool failed() const { return first_failure_.has_value(); }

 private:
  /// Runs one operation: times it, and turns a PeerFault into the PeerError that ends this communicator's
  /// life.
  template <class Function>
  void run(const OperationCall& call, Stream& stream, Function&& function);
  void check_peer(int peer) const;

  const int rank_;
  const int size_;
  const std::chrono::milliseconds deadline_;
  std::chrono::steady_clock::time_point started_;
  std::optional<std::string> first_failure_;
};

}  // namespace dml
