#include "engine/comm/gloo_outbox.h"

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "engine/comm/host_communicator.h"

namespace dml {
namespace {

// What the kernel surely takes while nobody reads, at Linux' default limits: 2 x 208 KiB on the sending side,
// of which its own bookkeeping needs about a fiftieth, and 64 KiB on the receiving side. It lets two ranks
// exchange messages of up to half of it for ever, although each hears of the last one's arrival only with the
// next one.
constexpr std::size_t kCreditBytes = std::size_t{448} << 10U;

}  // namespace

/// What the caller and the delivery thread share.
struct GlooOutbox::State {
  State(std::shared_ptr<GlooMesh> owner, Traffic traffic, int peer)
      : mesh(std::move(owner)),
        link(mesh->link(traffic, peer)),
        frame(static_cast<std::int64_t>(kFrameBytes), DType::u8) {}

  // Of the caller alone.
  std::shared_ptr<GlooMesh> mesh;
  GlooLink& link;  ///< of whoever delivers: the caller while `undelivered` is 0, the thread while it is not
  HostBuffer frame;
  std::uint64_t sent_bytes = 0;
  std::uint64_t acknowledged_bytes = 0;
  std::thread thread;

  std::atomic<std::size_t> undelivered{0};  ///< messages queued or being written by the thread
  std::atomic<bool> failed{false};

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::vector<std::byte>> queue;
  std::vector<std::vector<std::byte>> spare;  ///< delivered messages, for their memory
  std::string fault;
  bool stopping = false;

  void write(const FrameHeader& header, const std::byte* payload);
  void deliver();
};

/// Writes a message for which there is credit.
void GlooOutbox::State::write(const FrameHeader& header, const std::byte* payload) {
  const Blocks blocks(header.bytes);
  auto* first = static_cast<std::byte*>(frame.view().data);
  std::memcpy(first, &header, sizeof header);
  if (header.bytes != 0) std::memcpy(first + sizeof header, payload, blocks[0].bytes);
  link.send_frame(first, sizeof header + blocks[0].bytes);
  for (std::size_t index = 1; index < blocks.count(); ++index) {
    link.send_frame(payload + blocks[index].offset, blocks[index].bytes);
  }
}

/// The delivery thread.
void GlooOutbox::State::deliver() {
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return stopping || !queue.empty(); });
    if (queue.empty()) return;
    std::vector<std::byte> message = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    std::string problem;
    try {
      for (std::size_t first = 0; first < message.size(); first += kFrameBytes) {
        link.send_frame(message.data() + first, std::min(kFrameBytes, message.size() - first));
      }
    } catch (const PeerFault& error) {
      problem = error.what();
    }
    lock.lock();
    spare.push_back(std::move(message));
    if (!problem.empty()) {
      fault = "an earlier message could not be delivered: " + problem;
      queue.clear();
      failed = true;
      stopping = true;
      undelivered = 0;
    } else {
      --undelivered;
    }
    changed.notify_all();
  }
}

GlooOutbox::GlooOutbox(std::shared_ptr<GlooMesh> mesh, Traffic traffic, int peer)
    : state_(std::make_shared<State>(std::move(mesh), traffic, peer)) {}

GlooOutbox::~GlooOutbox() {
  if (!state_ || !state_->thread.joinable()) return;
  bool idle = false;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->queue.clear();
    idle = state_->undelivered == 0;
  }
  state_->changed.notify_all();
  if (idle) {
    state_->thread.join();
  } else {
    state_->thread.detach();
  }
}

void GlooOutbox::check() const {
  if (!state_->failed) return;
  const std::lock_guard lock(state_->mutex);
  throw PeerFault(state_->fault);
}

void GlooOutbox::acknowledge(std::uint64_t message_bytes) {
  state_->acknowledged_bytes = message_bytes;
}

void GlooOutbox::send(const FrameHeader& header, const std::byte* payload) {
  State& state = *state_;
  check();
  const std::size_t bytes = sizeof header + header.bytes;
  const std::uint64_t under_way = state.sent_bytes - state.acknowledged_bytes;
  state.sent_bytes += bytes;
  if (state.undelivered == 0 && under_way + bytes <= kCreditBytes) {
    state.write(header, payload);
    return;
  }
  std::vector<std::byte> message;
  {
    const std::lock_guard lock(state.mutex);
    if (!state.spare.empty()) {
      message = std::move(state.spare.back());
      state.spare.pop_back();
    }
  }
  message.resize(bytes);
  std::memcpy(message.data(), &header, sizeof header);
  if (header.bytes != 0) std::memcpy(message.data() + sizeof header, payload, header.bytes);
  {
    const std::lock_guard lock(state.mutex);
    state.queue.push_back(std::move(message));
    ++state.undelivered;
  }
  if (!state.thread.joinable()) {
    state.thread = std::thread([shared = state_] { shared->deliver(); });
  }
  state.changed.notify_all();
}

bool GlooOutbox::flush(std::chrono::steady_clock::time_point limit) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_until(lock, limit, [this] { return state_->undelivered == 0; });
}

}  // namespace dml
