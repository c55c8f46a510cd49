// The store as a gRPC service that rank 0 hosts (key_value.proto).
//
// Rank 0 owns server and client, every other rank a client. A Get waits on the server, on a condition
// variable, so a key arrives one network round trip after it was set. Only this file knows gRPC.
#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <map>
#include <mutex>

#include "engine/comm/operation_failure.h"
#include "engine/comm/store.h"
#include "kernels/base/error.h"

#include "key_value.grpc.pb.h"

namespace dml {
namespace {

using Clock = std::chrono::steady_clock;

// How long a client waits before it asks whether it should go on.
constexpr std::chrono::milliseconds kWaitSlice{200};
// How often a waiting Get looks whether its client is still there.
constexpr std::chrono::milliseconds kClientCheckInterval{200};
// What a call may take on top of the time it waits for its key.
constexpr std::chrono::milliseconds kRoundTripAllowance{2000};
// How long the end of the service waits for answers that are being written.
constexpr std::chrono::milliseconds kShutdownAllowance{500};

/// The one place that decides how ranks prove who they are to the store.
struct Credentials {
  std::shared_ptr<grpc::ServerCredentials> server = grpc::InsecureServerCredentials();
  std::shared_ptr<grpc::ChannelCredentials> channel = grpc::InsecureChannelCredentials();
};

/// gRPC reports what it tries on stderr, a refused connection included. What matters reaches the user as an
/// exception; GRPC_VERBOSITY or GRPC_TRACE brings the reports back.
void silence_grpc() {
  static const bool done = [] {
    if (std::getenv("GRPC_VERBOSITY") == nullptr && std::getenv("GRPC_TRACE") == nullptr) {
      gpr_set_log_function([](gpr_log_func_args*) {});
    }
    return true;
  }();
  static_cast<void>(done);
}

void check_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  int port = 0;
  if (colon != std::string::npos && colon > 0) {
    const char* end = address.data() + address.size();
    const auto [last, error] = std::from_chars(address.data() + colon + 1, end, port);
    if (error != std::errc() || last != end) port = 0;
  }
  if (port < 1 || port > 65535) {
    throw UsageError("'" + address +
                     "' is not a rendezvous address: write host:port, for example 127.0.0.1:29501.");
  }
}

class KeyValueService final : public rendezvous::KeyValue::Service {
 public:
  grpc::Status Set(grpc::ServerContext* /*context*/, const rendezvous::SetRequest* request,
                   rendezvous::SetReply* /*reply*/) override {
    {
      const std::lock_guard lock(mutex_);
      if (!values_.emplace(request->key(), request->value()).second) {
        return {grpc::StatusCode::ALREADY_EXISTS, "the key has a value"};
      }
    }
    changed_.notify_all();
    return grpc::Status::OK;
  }

  grpc::Status Get(grpc::ServerContext* context, const rendezvous::GetRequest* request,
                   rendezvous::GetReply* reply) override {
    const auto limit = Clock::now() + std::chrono::milliseconds(request->timeout_ms());
    std::unique_lock lock(mutex_);
    for (;;) {
      if (const auto found = values_.find(request->key()); found != values_.end()) {
        reply->set_value(found->second);
        return grpc::Status::OK;
      }
      if (closing_) return {grpc::StatusCode::UNAVAILABLE, "rank 0 has closed the store"};
      if (context->IsCancelled()) return grpc::Status::CANCELLED;
      const auto now = Clock::now();
      if (now >= limit) return {grpc::StatusCode::DEADLINE_EXCEEDED, "nobody has set the key"};
      changed_.wait_until(lock, std::min<Clock::time_point>(limit, now + kClientCheckInterval));
    }
  }

  /// Ends every waiting Get.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> values_;
  bool closing_ = false;
};

/// The service while it runs.
class Host {
 public:
  Host(const std::string& address, const Credentials& credentials) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address, credentials.server, &port);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT,
                               0);  // else a second service on the port goes unnoticed
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (!server_ || port == 0) {
      throw UnavailableError("rank 0 cannot serve the rendezvous at '" + address +
                             "': the port is in use, or the host is not this one or has no address here. "
                             "Choose another address with "
                             "--rendezvous host:port, the same on every rank.");
    }
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() {
    service_.close();
    server_->Shutdown(std::chrono::system_clock::now() + kShutdownAllowance);
  }

 private:
  KeyValueService service_;
  std::unique_ptr<grpc::Server> server_;
};

class GrpcStore final : public Store {
 public:
  GrpcStore(std::string address, int rank, std::chrono::milliseconds timeout, WhileWaiting while_waiting)
      : address_(std::move(address)), timeout_(timeout), while_waiting_(std::move(while_waiting)) {
    const Credentials credentials;
    if (rank == 0) host_ = std::make_unique<Host>(address_, credentials);
    grpc::ChannelArguments arguments;
    // Ranks start in any order: ask again soon when nobody listens yet.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // ranks talk to each other directly
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel(address_, credentials.channel, arguments);
    const auto limit = Clock::now() + timeout_;
    while (!channel->WaitForConnected(std::chrono::system_clock::now() + slice_before(limit))) {
      if (Clock::now() >= limit) {
        throw PeerError(
            "rank " + std::to_string(rank) + ": the rendezvous service of rank 0 at '" + address_ +
            "' did not answer within " + duration_text(timeout_) +
            ". Check that rank 0 was started and that every rank has the same --rendezvous host:port.");
      }
      if (while_waiting_) while_waiting_();
    }
    stub_ = rendezvous::KeyValue::NewStub(channel);
  }

  void set(const std::string& key, const std::string& value) override {
    DML_ASSERT(!key.empty(), "a store's key is empty");
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout_);
    rendezvous::SetRequest request;
    request.set_key(key);
    request.set_value(value);
    rendezvous::SetReply reply;
    const grpc::Status status = stub_->Set(&context, request, &reply);
    if (status.ok()) return;
    if (status.error_code() == grpc::StatusCode::ALREADY_EXISTS) {
      throw UsageError(
          "the key '" + key + "' is in " + text() +
          " already: two ranks have the same number, or two runs share the address. Give every rank "
          "its own number and every run its own --rendezvous host:port.");
    }
    throw broken(key, status);
  }

  std::string get(const std::string& key, std::chrono::milliseconds timeout) override {
    DML_ASSERT(!key.empty(), "a store's key is empty");
    const auto start = Clock::now(), limit = start + timeout;
    for (;;) {
      const auto slice = slice_before(limit);
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + slice + kRoundTripAllowance);
      rendezvous::GetRequest request;
      request.set_key(key);
      request.set_timeout_ms(slice.count());
      rendezvous::GetReply reply;
      const grpc::Status status = stub_->Get(&context, request, &reply);
      if (status.ok()) return std::move(*reply.mutable_value());
      if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) throw broken(key, status);
      if (Clock::now() >= limit) throw missing_key(key, text(), Clock::now() - start);
      if (while_waiting_) while_waiting_();
    }
  }

 private:
  static std::chrono::milliseconds slice_before(Clock::time_point limit) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - Clock::now());
    return std::clamp(left, std::chrono::milliseconds(0), kWaitSlice);
  }

  [[nodiscard]] std::string text() const { return "the rendezvous service at '" + address_ + "'"; }

  [[nodiscard]] PeerError broken(const std::string& key, const grpc::Status& status) const {
    return PeerError("lost " + text() + " while asking for the key '" + key +
                     "': rank 0, which serves it, died or ended (" + status.error_message() + ").");
  }

  const std::string address_;
  const std::chrono::milliseconds timeout_;
  const WhileWaiting while_waiting_;
  std::unique_ptr<Host> host_;  ///< on rank 0; destroyed after the client
  std::unique_ptr<rendezvous::KeyValue::Stub> stub_;
};

}  // namespace

std::unique_ptr<Store> make_grpc_store(const std::string& address, int rank,
                                       std::chrono::milliseconds timeout, WhileWaiting while_waiting) {
  check_address(address);
  silence_grpc();
  return std::make_unique<GrpcStore>(address, rank, timeout, std::move(while_waiting));
}

}  // namespace dml
