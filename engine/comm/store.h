// The rendezvous store: a small key-value service through which ranks find each other.
//
// Two implementations: a private directory for ranks that one launcher started on one host, and a gRPC
// service hosted by rank 0 for ranks that somebody else started (torchrun's environment contract). A store is
// used while ranks connect, never in a training step.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace dml {

/// Keys are written once and never change. Keys and values are any bytes; no key is empty. Thread-safe.
class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  /// Publishes `value` under `key`; visible to every rank whole or not at all. Throws UsageError naming the
  /// key when it exists already: two ranks with one number, or the remains of an earlier run.
  virtual void set(const std::string& key, const std::string& value) = 0;
  /// Waits for `key` and returns its value. Throws PeerError naming the key, the store and the time waited
  /// when nobody has set it after `timeout`.
  [[nodiscard]] virtual std::string get(const std::string& key, std::chrono::milliseconds timeout) = 0;
};

/// Called by a waiting rank several times a second, on the thread that waits. What it throws ends the wait
/// and passes through: how somebody who presses Ctrl-C need not wait for a rank that never comes.
using WhileWaiting = std::function<void()>;

/// Keys are files under `directory` (created with mode 0700 when missing; its parent must exist), written to
/// a temporary name and linked to their own. Throws IoError naming the path.
std::unique_ptr<Store> make_directory_store(const std::string& directory, WhileWaiting while_waiting = {});

/// Rank 0 serves a gRPC key-value service at `address` ("host:port", bound to exactly that host); every rank,
/// 0 included, is its client and waits up to `timeout` for it to come up. Throws UsageError when `address` is
/// not host:port, UnavailableError when rank 0 cannot bind it, PeerError when the service does not answer in
/// time.
///
/// The service lives until rank 0's store is destroyed; calls in flight then fail at once. Rank 0 therefore
/// keeps it until every rank has read its keys: make_gloo_communicator() returns no earlier than that, any
/// other user of the store puts a barrier before the destructor.
std::unique_ptr<Store> make_grpc_store(const std::string& address, int rank,
                                       std::chrono::milliseconds timeout, WhileWaiting while_waiting = {});

}  // namespace dml
