#include "engine/comm/nccl_communicator.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <vector>

#include "engine/comm/watchdog.h"

namespace dml {
namespace {

using nccl::Result;

nccl::DataType nccl_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return nccl::DataType::float32;
    case DType::f64:
      return nccl::DataType::float64;
    case DType::u8:
      return nccl::DataType::uint8;
    case DType::i32:
      return nccl::DataType::int32;
    case DType::i64:
      return nccl::DataType::int64;
  }
  throw InternalError("a type that NCCL does not know");
}

std::size_t count_of(View values) {
  return static_cast<std::size_t>(values.elements);
}

void print_and_end(const PeerError& error) {
  std::fprintf(stderr, "dml_engine: error: %s\n", error.what());
  ::_exit(static_cast<int>(ExitCode::unavailable));
}

/// Waits for something that another thread or a device does: microseconds as a rule, so without sleep at
/// first.
class Patience {
 public:
  void wait() {
    if (++rounds_ < kYields) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }

 private:
  static constexpr int kYields = 200;
  int rounds_ = 0;
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::shared_ptr<const NcclLibrary> nccl, Communicator& host, Backend& backend,
                   DeviceLink& device, const NcclOptions& options);
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;
  ~NcclCommunicator() override;

  [[nodiscard]] int rank() const override { return host_.rank(); }
  [[nodiscard]] int size() const override { return host_.size(); }
  [[nodiscard]] std::string name() const override { return "nccl " + nccl_->version_text(); }

  [[nodiscard]] bool is_stream_ordered() const override { return !shared_device_; }
  void watch_replay(Stream& stream) override;

  void all_reduce(View values, Stream& stream) override;
  void all_gather(View values, View gathered, Stream& stream) override;
  void broadcast(View values, int root, Stream& stream) override;
  void send(View values, int peer, Stream& stream) override;
  void recv(View values, int peer, Stream& stream) override;
  void exchange(View sent, int to, View received, int from, Stream& stream) override;
  void barrier(Stream& stream) override { host_.barrier(stream); }

 private:
  void start();
  [[nodiscard]] nccl::UniqueId agree_on_id(const Watchdog::Call& call);
  [[noreturn]] void refuse(const std::string& cause) const;
  void warm_up(Backend& backend);
  void finish();

  /// Enqueues one operation and has it watched.
  template <class Enqueue>
  void run(const OperationCall& operation, Stream& stream, Enqueue&& enqueue);
  /// Calls a function of NCCL and waits until it has taken effect: nothing else may be asked of the
  /// communicator before.
  template <class Function>
  [[nodiscard]] Result settle(const Watchdog::Call& call, Function&& function);
  /// Calls `functions` as one group of NCCL's: what they enqueue is in progress together.
  template <class Functions>
  [[nodiscard]] Result as_group(Functions&& functions);
  [[nodiscard]] Result enqueue_send(View values, int peer, void* queue);
  [[nodiscard]] Result enqueue_recv(View values, int peer, void* queue);
  void require_success(const Watchdog::Call& call, Result result) const;
  void wait_until_idle(const Watchdog::Call& call);

  /// "NCCL: unhandled cuda error (run with NCCL_DEBUG=INFO for details)"
  [[nodiscard]] std::string text_of(Result result) const;
  /// For the watchdog: empty while NCCL has nothing to report.
  [[nodiscard]] std::string find_fault();
  void check_peer(int peer) const;

  std::shared_ptr<const NcclLibrary> nccl_;
  Communicator& host_;
  DeviceLink& device_;
  const bool shared_device_;
  const int exceptions_ = std::uncaught_exceptions();
  std::mutex mutex_;  ///< of every call of NCCL on communicator_
  nccl::Communicator communicator_ = nullptr;
  bool started_ = false;  ///< belongs to the mutex
  Watchdog watchdog_;     ///< last: its thread uses all the others
};

NcclCommunicator::NcclCommunicator(std::shared_ptr<const NcclLibrary> nccl, Communicator& host,
                                   Backend& backend, DeviceLink& device, const NcclOptions& options)
    : nccl_(std::move(nccl)),
      host_(host),
      device_(device),
      shared_device_(options.shared_device),
      watchdog_(device, {.rank = host.rank(),
                         .deadline = options.deadline,
                         .grace = options.grace,
                         .find_fault = [this] { return find_fault(); },
                         .on_failure = options.on_failure ? options.on_failure : &print_and_end}) {
  device_.make_current();
  start();
  warm_up(backend);
}

NcclCommunicator::~NcclCommunicator() {
  // Whoever leaves because of an error cannot count on the others, and finishing is done by all together.
  if (watchdog_.has_failed() || std::uncaught_exceptions() > exceptions_) {
    watchdog_.drain();  // memory that an operation still uses is about to be freed
    return;
  }
  try {
    finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dml_engine: ending NCCL: %s\n", error.what());
  }
}

void NcclCommunicator::start() {
  const Watchdog::Call call(watchdog_, {.name = "starting NCCL", .elements = -1});
  const nccl::UniqueId id = agree_on_id(call);
  nccl::Config config;
  const Result result =
      settle(call, [&] { return nccl_->comm_init_rank_config(&communicator_, size(), id, rank(), &config); });
  if (result == Result::remote_error) call.fail(text_of(result));
  if (result != Result::success) refuse(text_of(result));
  const std::lock_guard lock(mutex_);
  started_ = true;
}

/// Rank 0 makes it. All ranks hear of it when that fails.
nccl::UniqueId NcclCommunicator::agree_on_id(const Watchdog::Call& call) {
  struct Letter {
    nccl::UniqueId id = {};
    Result result = Result::success;
  } letter;
  if (rank() == 0) letter.result = nccl_->get_unique_id(&letter.id);
  HostStream stream;
  host_.broadcast({&letter, sizeof letter, DType::u8}, 0, stream);
  if (letter.result == Result::success) return letter.id;
  if (rank() != 0) call.fail("rank 0 could not begin: " + text_of(letter.result));
  refuse(text_of(letter.result));
}

/// NCCL does not work on this rank, whatever the others do.
void NcclCommunicator::refuse(const std::string& cause) const {
  throw UnavailableError("rank " + std::to_string(rank()) + ": NCCL " + nccl_->version_text() + " (" +
                         nccl_->path + ") does not start: " + cause +
                         ". --communicator staged sends values through the host instead.");
}

/// Every rank exchanges its number with every other, in one group: connections are made now, and the answers
/// show that they lead where they should.
void NcclCommunicator::warm_up(Backend& backend) {
  const std::int64_t ranks = size();
  const Buffer numbers = backend.allocate(2 * ranks, "the first messages between GPUs");
  DML_ASSERT(numbers.view.dtype == DType::f32, "devices hold f32");
  std::vector<float> sent(static_cast<std::size_t>(ranks), static_cast<float>(rank()));
  std::vector<float> received(sent.size());
  const std::unique_ptr<Stream> stream = backend.make_stream();  // ends before the memory it copies
  const View out = numbers.view.slice(0, ranks);
  const View in = numbers.view.slice(ranks, ranks);
  stream->copy(view_of(std::span(sent)), out);

  {
    Watchdog::Call call(watchdog_, {.name = "the first messages by NCCL", .elements = -1});
    const auto with_all = [&](const auto& note) {
      void* const queue = device_.native(*stream);
      for (int peer = 0; peer < size(); ++peer) {
        if (peer == rank()) continue;
        note(enqueue_send(out.slice(peer, 1), peer, queue));
        note(enqueue_recv(in.slice(peer, 1), peer, queue));
      }
    };
    require_success(call, settle(call, [&] { return as_group(with_all); }));
    call.watch(*stream);
    wait_until_idle(call);
  }

  stream->copy(in, view_of(std::span(received)));
  stream->synchronize();
  for (int peer = 0; peer < size(); ++peer) {
    const float number = received[static_cast<std::size_t>(peer)];
    DML_ASSERT(peer == rank() || number == static_cast<float>(peer),
               "rank " + std::to_string(rank()) + " asked rank " + std::to_string(peer) +
                   " for its number by NCCL and was told " + std::to_string(number));
  }
}

/// Collective: waits for what all ranks have enqueued.
void NcclCommunicator::finish() {
  const Watchdog::Call call(watchdog_, {.name = "ending NCCL", .elements = -1});
  require_success(call, settle(call, [&] { return nccl_->comm_finalize(communicator_); }));
  const std::lock_guard lock(mutex_);
  started_ = false;
  const Result result = nccl_->comm_destroy(communicator_);
  if (result != Result::in_progress) require_success(call, result);
}

template <class Function>
Result NcclCommunicator::settle(const Watchdog::Call& call, Function&& function) {
  Result result = Result::success;
  {
    const std::lock_guard lock(mutex_);
    result = function();
  }
  for (Patience patience; result == Result::in_progress;) {
    if (call.expired()) call.fail("not all ranks have come");
    patience.wait();
    const std::lock_guard lock(mutex_);
    const Result asked = nccl_->comm_get_async_error(communicator_, &result);
    if (asked != Result::success) result = asked;
  }
  return result;
}

template <class Functions>
Result NcclCommunicator::as_group(Functions&& functions) {
  Result result = nccl_->group_start();
  functions([&](Result latest) {
    if (result == Result::success && latest != Result::in_progress) result = latest;
  });
  const Result end = nccl_->group_end();
  return result == Result::success ? end : result;
}

Result NcclCommunicator::enqueue_send(View values, int peer, void* queue) {
  return nccl_->send(values.data, count_of(values), nccl_type(values.dtype), peer, communicator_, queue);
}

Result NcclCommunicator::enqueue_recv(View values, int peer, void* queue) {
  return nccl_->recv(values.data, count_of(values), nccl_type(values.dtype), peer, communicator_, queue);
}

void NcclCommunicator::require_success(const Watchdog::Call& call, Result result) const {
  if (result != Result::success) call.fail(text_of(result));
}

void NcclCommunicator::wait_until_idle(const Watchdog::Call& call) {
  for (Patience patience; !watchdog_.is_idle(); patience.wait()) {
    if (watchdog_.has_failed() || call.expired()) call.fail("not all ranks have come");
  }
}

std::string NcclCommunicator::text_of(Result result) const {
  std::string text = std::string("NCCL: ") + nccl_->get_error_string(result);
  const char* const last = nccl_->get_last_error(communicator_);
  if (last != nullptr && *last != '\0') text += std::string(" (") + last + ")";
  while (text.find('\n') != std::string::npos) text[text.find('\n')] = ' ';
  return text;
}

std::string NcclCommunicator::find_fault() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || !started_) return {};  // the host is in a call, and will be told by it
  Result result = Result::success;
  const Result asked = nccl_->comm_get_async_error(communicator_, &result);
  if (asked != Result::success) result = asked;
  return result == Result::success || result == Result::in_progress ? "" : text_of(result);
}

template <class Enqueue>
void NcclCommunicator::run(const OperationCall& operation, Stream& stream, Enqueue&& enqueue) {
  Watchdog::Call call(watchdog_, operation);
  if (operation.elements == 0) return;
  const bool is_recording = device_.is_recording(stream);
  if (shared_device_) {
    DML_ASSERT(!is_recording, "ranks that share a GPU wait for every operation, which no graph can hold");
    stream.synchronize();
  }
  void* const queue = device_.native(stream);
  require_success(call, settle(call, [&] { return enqueue(queue); }));
  if (is_recording) return;
  call.watch(stream);
  if (shared_device_) wait_until_idle(call);
}

void NcclCommunicator::watch_replay(Stream& stream) {
  Watchdog::Call call(watchdog_, {.name = "replayed steps", .elements = -1});
  call.watch(stream);
}

void NcclCommunicator::check_peer(int peer) const {
  DML_ASSERT(peer >= 0 && peer < size() && peer != rank(),
             "rank " + std::to_string(rank()) + " of " + std::to_string(size()) +
                 " cannot exchange messages with rank " + std::to_string(peer));
}

void NcclCommunicator::all_reduce(View values, Stream& stream) {
  if (values.memory == Memory::host) return host_.all_reduce(values, stream);
  DML_ASSERT(values.dtype != DType::u8, "u8 values are never reduced");
  run({.name = "all_reduce", .elements = values.elements, .dtype = values.dtype}, stream, [&](void* queue) {
    return nccl_->all_reduce(values.data, values.data, count_of(values), nccl_type(values.dtype),
                             nccl::Reduction::sum, communicator_, queue);
  });
}

void NcclCommunicator::all_gather(View values, View gathered, Stream& stream) {
  DML_ASSERT(values.memory == gathered.memory, "all_gather between memories of different kinds");
  if (values.memory == Memory::host) return host_.all_gather(values, gathered, stream);
  DML_ASSERT(values.dtype == gathered.dtype && gathered.elements == size() * values.elements,
             "all_gather of " + std::to_string(values.elements) + " elements on " + std::to_string(size()) +
                 " ranks into " + std::to_string(gathered.elements));
  run({.name = "all_gather", .elements = values.elements, .dtype = values.dtype}, stream, [&](void* queue) {
    return nccl_->all_gather(values.data, gathered.data, count_of(values), nccl_type(values.dtype),
                             communicator_, queue);
  });
}

void NcclCommunicator::broadcast(View values, int root, Stream& stream) {
  if (values.memory == Memory::host) return host_.broadcast(values, root, stream);
  DML_ASSERT(root >= 0 && root < size(),
             "broadcast from rank " + std::to_string(root) + " of " + std::to_string(size()));
  const OperationCall operation{.name = "broadcast",
                                .elements = values.elements,
                                .dtype = values.dtype,
                                .preposition = "from",
                                .peer = root};
  run(operation, stream, [&](void* queue) {
    return nccl_->broadcast(values.data, values.data, count_of(values), nccl_type(values.dtype), root,
                            communicator_, queue);
  });
}

void NcclCommunicator::send(View values, int peer, Stream& stream) {
  if (values.memory == Memory::host) return host_.send(values, peer, stream);
  check_peer(peer);
  const OperationCall operation{
      .name = "send", .elements = values.elements, .dtype = values.dtype, .preposition = "to", .peer = peer};
  run(operation, stream, [&](void* queue) { return enqueue_send(values, peer, queue); });
}

void NcclCommunicator::recv(View values, int peer, Stream& stream) {
  if (values.memory == Memory::host) return host_.recv(values, peer, stream);
  check_peer(peer);
  const OperationCall operation{.name = "recv",
                                .elements = values.elements,
                                .dtype = values.dtype,
                                .preposition = "from",
                                .peer = peer};
  run(operation, stream, [&](void* queue) { return enqueue_recv(values, peer, queue); });
}

void NcclCommunicator::exchange(View sent, int to, View received, int from, Stream& stream) {
  DML_ASSERT(sent.memory == received.memory, "an exchange between memories of different kinds");
  if (sent.memory == Memory::host) return host_.exchange(sent, to, received, from, stream);
  check_peer(to);
  check_peer(from);
  const OperationCall operation{.name = "exchange",
                                .elements = std::max(sent.elements, received.elements),
                                .dtype = sent.dtype,
                                .preposition = "to",
                                .peer = to,
                                .from = from};
  run(operation, stream, [&](void* queue) {
    return as_group([&](const auto& note) {
      if (!sent.empty()) note(enqueue_send(sent, to, queue));
      if (!received.empty()) note(enqueue_recv(received, from, queue));
    });
  });
}

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(std::shared_ptr<const NcclLibrary> nccl,
                                                     Communicator& host, Backend& backend, DeviceLink& device,
                                                     const NcclOptions& options) {
  DML_ASSERT(options.deadline.count() > 0, "a communicator needs a deadline");
  return std::make_unique<NcclCommunicator>(std::move(nccl), host, backend, device, options);
}

}  // namespace dml
