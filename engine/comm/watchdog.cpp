#include "engine/comm/watchdog.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace dml {
namespace {

using std::chrono::milliseconds;

milliseconds tick_for(milliseconds deadline) {
  return std::clamp(deadline / 50, milliseconds{1}, milliseconds{50});
}

}  // namespace

Watchdog::Watchdog(DeviceLink& device, WatchdogOptions options)
    : device_(device), options_(std::move(options)), thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Watchdog::Call::Call(Watchdog& watchdog, const OperationCall& operation)
    : watchdog_(watchdog), operation_(operation), started_(Clock::now()) {
  const std::lock_guard lock(watchdog_.mutex_);
  if (!watchdog_.first_failure_.empty())
    throw unusable_communicator(watchdog_.options_.rank, operation, watchdog_.first_failure_);
  watchdog_.inside_ = operation;
  watchdog_.inside_since_ = started_;
}

Watchdog::Call::~Call() {
  const std::lock_guard lock(watchdog_.mutex_);
  watchdog_.inside_since_.reset();
}

void Watchdog::Call::fail(const std::string& cause) const {
  const PeerError error =
      operation_failure(watchdog_.options_.rank, operation_, elapsed(), watchdog_.options_.deadline, cause);
  const std::lock_guard lock(watchdog_.mutex_);
  watchdog_.record(error.what());
  throw PeerError(watchdog_.first_failure_);
}

void Watchdog::Call::watch(Stream& stream) {
  std::unique_ptr<DeviceMark> mark;
  {
    const std::lock_guard lock(watchdog_.mutex_);
    watchdog_.collect();
    if (!watchdog_.free_marks_.empty()) {
      mark = std::move(watchdog_.free_marks_.back());
      watchdog_.free_marks_.pop_back();
    }
  }
  if (!mark) mark = watchdog_.device_.make_mark();
  mark->set(stream);  // may wait when the device's queue is full, so not under the mutex
  const std::lock_guard lock(watchdog_.mutex_);
  watchdog_.last_operation_ = operation_;
  watchdog_.pending_.push_back({operation_, std::move(mark), Clock::now()});
}

bool Watchdog::is_idle() {
  const std::lock_guard lock(mutex_);
  collect();
  return pending_.empty();
}

bool Watchdog::has_failed() {
  const std::lock_guard lock(mutex_);
  return !first_failure_.empty();
}

void Watchdog::drain() {
  std::unique_lock lock(mutex_);
  const milliseconds tick = tick_for(options_.deadline);
  for (collect(); !pending_.empty() && !given_up_; collect()) changed_.wait_for(lock, tick);
}

void Watchdog::collect() {
  while (!pending_.empty() && pending_.front().mark->reached()) {
    free_marks_.push_back(std::move(pending_.front().mark));
    pending_.pop_front();
    last_progress_ = Clock::now();
  }
}

void Watchdog::record(const std::string& failure) {
  if (!first_failure_.empty()) return;
  first_failure_ = failure;
  failed_at_ = Clock::now();
}

std::optional<PeerError> Watchdog::judge() {
  const auto now = Clock::now();
  const auto patience = inside_since_ ? options_.grace : milliseconds{0};
  if (inside_since_ && now - *inside_since_ > options_.deadline + options_.grace) {
    record(operation_failure(options_.rank, inside_, now - *inside_since_, options_.deadline,
                             "the call did not return")
               .what());
    return PeerError(first_failure_);
  }
  if (pending_.empty()) return std::nullopt;
  if (!first_failure_.empty()) {
    return now - failed_at_ > options_.grace ? std::optional(PeerError(first_failure_)) : std::nullopt;
  }
  const Pending& front = pending_.front();
  if (now - std::max(front.enqueued, last_progress_) <= options_.deadline + patience) return std::nullopt;
  record(operation_failure(options_.rank, front.operation, now - front.enqueued, options_.deadline,
                           "it was enqueued and did not finish: a rank that takes part in it died, stalled "
                           "or is in another operation")
             .what());
  return PeerError(first_failure_);
}

void Watchdog::run() {
  const milliseconds tick = tick_for(options_.deadline);
  try {
    device_.make_current();
  } catch (const std::exception&) {
    // The owner's own calls will say so.
  }
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, tick);
    collect();
    if (first_failure_.empty() && options_.find_fault) {
      lock.unlock();
      const std::string fault = options_.find_fault();
      lock.lock();
      if (!fault.empty() && !stopping_) {
        const OperationCall nothing{.name = "waiting", .elements = -1};
        const OperationCall during =
            !pending_.empty() ? pending_.front().operation : last_operation_.value_or(nothing);
        const auto since = pending_.empty() ? Clock::now() : pending_.front().enqueued;
        record(
            operation_failure(options_.rank, during, Clock::now() - since, options_.deadline, fault).what());
      }
    }
    if (stopping_) return;
    const std::optional<PeerError> error = judge();
    if (!error) continue;
    lock.unlock();
    options_.on_failure(*error);
    lock.lock();
    given_up_ = true;
    changed_.notify_all();
    return;
  }
}

}  // namespace dml
