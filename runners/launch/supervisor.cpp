#include "runners/launch/supervisor.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/base/error.h"
#include "runners/launch/private_directory.h"
#include "runners/launch/rank_process.h"
#include "runners/launch/rank_status.h"
#include "runners/launch/stop_request.h"

namespace dml {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kCollectAfterCause{400};     // others that fail for the same reason may say so too
constexpr milliseconds kCollectAfterLostPeer{500};  // the cause is still to come
constexpr milliseconds kTerminateTime{1000};        // between SIGTERM and SIGKILL
constexpr milliseconds kSuspensionCheck{250};
constexpr int kSignalBase = 128;  // exit code of a process that died of signal n: 128 + n

/// Turns SIGCHLD and the signals that stop a run into something to poll, for as long as it lives.
class SignalQueue {
 public:
  SignalQueue() {
    mask_ = stop_signals();
    sigaddset(&mask_, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask_, &previous_);
    descriptor_ = signalfd(-1, &mask_, SFD_NONBLOCK | SFD_CLOEXEC);
    if (descriptor_ < 0) {
      const std::string reason = std::strerror(errno);
      sigprocmask(SIG_SETMASK, &previous_, nullptr);
      throw UnavailableError("cannot watch over ranks: signalfd: " + reason);
    }
  }
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;
  ~SignalQueue() {
    close(descriptor_);
    sigprocmask(SIG_SETMASK, &previous_, nullptr);
  }

  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] const sigset_t& previous_mask() const { return previous_; }

  /// The next signal that asks the run to stop, if any; children's ends only wake the poll.
  [[nodiscard]] std::optional<int> next_stop() const {
    signalfd_siginfo info{};
    while (read(descriptor_, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal != SIGCHLD) return as_stop_signal(signal);
    }
    return std::nullopt;
  }

 private:
  sigset_t mask_{};
  sigset_t previous_{};
  int descriptor_ = -1;
};

class Supervisor {
 public:
  explicit Supervisor(const SupervisorOptions& options)
      : options_(options),
        directory_(options.variables),
        progress_(ProgressPage::create(directory_.path(), options.ranks)) {
    for (int rank = 0; rank < options.ranks; ++rank) {
      ranks_.push_back(std::make_unique<RankProcess>(process_options(rank)));
      reports_.push_back({.rank = rank, .pid = ranks_.back()->pid()});
      suspended_since_.emplace_back();
    }
  }

  Verdict run() {
    while (any_running()) {
      wait_for_event();
      for (auto& rank : ranks_) rank->forward_output(false);
      while (const std::optional<int> signal = signals_.next_stop()) stop(*signal);
      for (auto& rank : ranks_) {
        if (rank->reap()) note_end(*rank);
      }
      if (phase_ == Phase::running) check_suspended();
      advance();
    }
    for (auto& rank : ranks_) rank->forward_output(true);
    if (verdict_) return *verdict_;
    if (killed_on_request_) return {kSignalBase + stop_signal_, ""};
    return judge(reports_, options_.deadline);
  }

 private:
  enum class Phase {
    running,      ///< nothing bad has happened
    collecting,   ///< a rank failed; others get until next_ to tell more
    terminating,  ///< the verdict is made and SIGTERM sent; SIGKILL follows at next_
    killing,      ///< SIGKILL is sent
  };

  RankProcessOptions process_options(int rank) const {
    RankProcessOptions process;
    process.rank = rank;
    process.executable = options_.executable;
    process.arguments = options_.arguments;
    process.signal_mask = signals_.previous_mask();
    for (const auto& [name, value] : options_.variables) {
      if (!is_contract_variable(name)) process.environment.push_back(name + "=" + value);
    }
    for (const auto& [name, value] : supervisor_variables(directory_.path(), rank, options_.ranks)) {
      process.environment.push_back(name + "=" + value);
    }
    return process;
  }

  bool any_running() const {
    return std::any_of(ranks_.begin(), ranks_.end(), [](const auto& rank) { return rank->running(); });
  }

  void wait_for_event() {
    std::vector<pollfd> polled = {{signals_.descriptor(), POLLIN, 0}};
    for (const auto& rank : ranks_) {
      if (rank->output() >= 0) polled.push_back({rank->output(), POLLIN, 0});
    }
    milliseconds timeout = kSuspensionCheck;
    if (phase_ == Phase::collecting || phase_ == Phase::terminating) {
      const auto left = std::chrono::ceil<milliseconds>(next_ - Clock::now());
      timeout = std::clamp(left, milliseconds(0), timeout);
    }
    poll(polled.data(), polled.size(), static_cast<int>(timeout.count()));
  }

  void stop(int signal) {
    if (stop_signal_ != 0) {
      killed_on_request_ = true;
      kill_all();
      return;
    }
    stop_signal_ = signal;
    for (const auto& rank : ranks_) rank->send_signal(signal);
  }

  /// Writes down how a rank ended. Ends that the supervisor itself caused change nothing.
  void note_end(const RankProcess& rank) {
    if (phase_ == Phase::terminating || phase_ == Phase::killing) return;
    RankReport& report = reports_[static_cast<std::size_t>(rank.rank())];
    report.order = ++ends_;
    report.step = step_of(rank.rank());
    const int status = rank.wait_status();
    if (WIFSIGNALED(status)) {
      report.signal = WTERMSIG(status);
      report.exit_code = kSignalBase + report.signal;
      const bool asked_to = stop_signal_ != 0 && report.signal == stop_signal_;
      report.state = asked_to ? RankReport::State::stopped : RankReport::State::killed;
    } else {
      report.exit_code = WEXITSTATUS(status);
      const bool asked_to = report.exit_code == static_cast<int>(ExitCode::stopped) ||
                            report.exit_code == kSignalBase + SIGINT ||
                            report.exit_code == kSignalBase + SIGTERM;
      if (report.exit_code == 0) {
        report.state = RankReport::State::succeeded;
      } else if (asked_to) {
        report.state = RankReport::State::stopped;
      } else {
        report.state = RankReport::State::failed;
        report.failure = read_rank_failure(directory_.path(), rank.rank());
        if (!report.failure && report.exit_code == kCannotExecute) {
          report.failure = {ExitCode::io, false, "cannot execute " + options_.executable};
          report.exit_code = static_cast<int>(ExitCode::io);
        }
      }
    }
    const bool bad = report.state == RankReport::State::failed || report.state == RankReport::State::killed;
    // It was not yet listening. Others that are wait for it to join, which it never will.
    const bool never_joined =
        report.state == RankReport::State::stopped && WIFSIGNALED(status) && report.step < 0;
    if (!bad && !never_joined) return;
    const bool lost_peer = report.failure && report.failure->lost_peer;
    const Clock::time_point end_of_collection =
        Clock::now() + (lost_peer ? kCollectAfterLostPeer : kCollectAfterCause);
    next_ = phase_ == Phase::running ? end_of_collection : std::min(next_, end_of_collection);
    phase_ = Phase::collecting;
  }

  std::int64_t step_of(int rank) const { return progress_->slot(rank).step.load(std::memory_order_relaxed); }

  /// A suspended rank is found by the deadline of the peers that wait for it. When none is left to wait,
  /// because they finished, it is found here.
  void check_suspended() {
    const bool some_finished = std::any_of(reports_.begin(), reports_.end(), [](const RankReport& report) {
      return report.state == RankReport::State::succeeded || report.state == RankReport::State::stopped;
    });
    if (!some_finished) return;
    for (const auto& rank : ranks_) {
      auto& since = suspended_since_[static_cast<std::size_t>(rank->rank())];
      if (!rank->suspended()) {
        since.reset();
      } else if (!since) {
        since = Clock::now();
      } else if (Clock::now() - *since > options_.deadline) {
        next_ = Clock::now();
        phase_ = Phase::collecting;
      }
    }
  }

  void advance() {
    if (phase_ == Phase::collecting && Clock::now() >= next_) {
      look_at_survivors();
      verdict_ = judge(reports_, options_.deadline);
      phase_ = Phase::terminating;
      next_ = Clock::now() + kTerminateTime;
      for (const auto& rank : ranks_) rank->send_signal(rank->suspended() ? SIGKILL : SIGTERM);
    } else if (phase_ == Phase::terminating && Clock::now() >= next_) {
      kill_all();
    }
  }

  void look_at_survivors() {
    for (const auto& rank : ranks_) {
      if (!rank->running()) continue;
      RankReport& report = reports_[static_cast<std::size_t>(rank->rank())];
      report.step = step_of(rank->rank());
      report.state = rank->suspended() ? RankReport::State::suspended : RankReport::State::running;
    }
  }

  void kill_all() {
    phase_ = Phase::killing;
    for (const auto& rank : ranks_) rank->send_signal(SIGKILL);
  }

  const SupervisorOptions& options_;
  SignalQueue signals_;  // before the ranks: SIGCHLD is blocked when they start
  PrivateDirectory directory_;
  std::shared_ptr<ProgressPage> progress_;
  std::vector<std::unique_ptr<RankProcess>> ranks_;  // after the directory: gone before it is removed
  std::vector<RankReport> reports_;
  std::vector<std::optional<Clock::time_point>> suspended_since_;
  std::optional<Verdict> verdict_;
  Phase phase_ = Phase::running;
  Clock::time_point next_{};
  int ends_ = 0;
  int stop_signal_ = 0;
  bool killed_on_request_ = false;
};

}  // namespace

Verdict supervise(const SupervisorOptions& options) {
  Supervisor supervisor(options);
  return supervisor.run();
}

}  // namespace dml
