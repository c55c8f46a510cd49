// Ends what would wait for ever: watches operations that were enqueued on a device and have no deadline of
// their own.
//
// Behind every operation a mark is set in its stream; a thread looks at the marks. An operation has expired
// when the deadline has passed since it was enqueued, or since the one before it finished, whichever is
// later, and its mark was not reached. The host cannot be told then: it sleeps in a call of the driver that
// no exception reaches. So the thread calls `on_failure`, which ends the process. Where the host can be told,
// it is:
//   - a fault that the library reports (`find_fault`) makes the communicator's next call throw; only when
//     operations are pending and no call comes within the grace period is on_failure called;
//   - while the host is inside a call of the communicator, which has a deadline of its own, expiry waits for
//     the grace period too.
//
// Operations that are recorded in a graph carry no mark; the graph is watched as a whole when it is launched.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/comm/device_link.h"
#include "engine/comm/operation_failure.h"

namespace dml {

struct WatchdogOptions {
  int rank = 0;
  std::chrono::milliseconds deadline{60000};
  std::chrono::milliseconds grace{2000};
  /// What the library reports without being asked for an operation; empty while all is well. Called by the
  /// watchdog's thread; must not wait.
  std::function<std::string()> find_fault;
  /// Called once at most, by the watchdog's thread. Expected not to return.
  std::function<void(const PeerError&)> on_failure;
};

class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;

  Watchdog(DeviceLink& device, WatchdogOptions options);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  /// Stops watching.
  ~Watchdog();

  /// The host is inside a call of the communicator from construction to destruction. Throws PeerError at once
  /// when an earlier call has failed.
  class Call {
   public:
    Call(Watchdog& watchdog, const OperationCall& operation);
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call();
    [[nodiscard]] Clock::duration elapsed() const { return Clock::now() - started_; }
    [[nodiscard]] bool expired() const { return elapsed() > watchdog_.options_.deadline; }
    /// Makes the communicator unusable. Throws what happened, the first failure's words if there was one.
    [[noreturn]] void fail(const std::string& cause) const;
    /// Watches the operation that was just enqueued on `stream`.
    void watch(Stream& stream);

   private:
    Watchdog& watchdog_;
    OperationCall operation_;
    Clock::time_point started_;
  };

  /// Whether every watched operation has finished.
  [[nodiscard]] bool is_idle();
  [[nodiscard]] bool has_failed();
  /// Returns when every watched operation has finished, or on_failure has returned.
  void drain();

 private:
  struct Pending {
    OperationCall operation;
    std::unique_ptr<DeviceMark> mark;
    Clock::time_point enqueued;
  };

  void run();
  /// Takes finished operations off the front. With the mutex held.
  void collect();
  /// The error to end the process with, if it has come to that. With the mutex held.
  std::optional<PeerError> judge();
  void record(const std::string& failure);

  DeviceLink& device_;
  const WatchdogOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Pending> pending_;
  std::vector<std::unique_ptr<DeviceMark>> free_marks_;
  Clock::time_point last_progress_;
  std::optional<OperationCall> last_operation_;
  std::optional<Clock::time_point> inside_since_;  ///< of the host's call in progress
  OperationCall inside_;
  std::string first_failure_;
  Clock::time_point failed_at_;
  bool given_up_ = false;  ///< on_failure was called
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace dml
