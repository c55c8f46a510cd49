// The rendezvous store: a small key-value service through which ranks find each other.
//
// Two implementations: a private directory for ranks that one launcher started on one host, and a gRPC service
// hosted by rank 0 for ranks that somebody else started (torchrun's environment contract).
#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace dml {

/// Keys are written once and never change. Thread-safe.
class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  /// Publishes `value` (any bytes) under `key`; visible to every rank whole or not at all.
  virtual void set(const std::string& key, const std::string& value) = 0;
  /// Waits for `key` and returns its value. Throws PeerError naming the key and the store after `timeout`.
  [[nodiscard]] virtual std::string get(const std::string& key, std::chrono::milliseconds timeout) = 0;
};

/// Keys are files under `directory` (created with mode 0700 when missing), written to a temporary name and
/// renamed. Throws IoError naming the path.
std::unique_ptr<Store> make_directory_store(const std::string& directory);

/// Rank 0 serves a gRPC key-value service at `address` ("host:port"); every rank, 0 included, is its client.
/// Throws UnavailableError when rank 0 cannot bind the address, PeerError when the service does not answer
/// within `timeout`. The service lives until rank 0's store is destroyed.
std::unique_ptr<Store> make_grpc_store(const std::string& address, int rank, std::chrono::milliseconds timeout);

}  // namespace dml
