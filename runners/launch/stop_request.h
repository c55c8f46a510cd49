// Ctrl-C, SIGTERM and the end of the terminal as a flag that a training loop polls between steps.
//
// There is no signal handler, on purpose. Some compute kernels of oneDNN (before 3.11.2, its issue 4845) let
// the stack pointer point into the heap; a handler that runs then, however small, has its frame written over
// the heap. So these signals are blocked in every thread, and the flag asks the kernel whether one is
// pending.
#pragma once

#include <csignal>

namespace dml {

/// The signals that ask a run to stop: SIGINT, SIGTERM, and SIGHUP unless it is ignored, for under nohup the
/// end of the terminal is not meant to end the run.
sigset_t stop_signals();
/// The same, but SIGHUP asks for what SIGTERM asks for.
constexpr int as_stop_signal(int signal) {
  return signal == SIGHUP ? SIGTERM : signal;
}

/// While it lives, the first of these signals only raises the flag; once somebody has seen it, a second one
/// ends the process at once (but a second SIGHUP does nothing). Must be made before any other thread is
/// started, for threads inherit what is blocked; one at a time per process, used by one thread.
class StopRequest {
 public:
  StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;
  /// Signals do again what they did before.
  ~StopRequest();

  /// SIGINT or SIGTERM, whichever asked the run to stop, 0 when none did. Costs a system call until there is
  /// one.
  [[nodiscard]] int signal() const;
  [[nodiscard]] bool requested() const { return signal() != 0; }
  /// 130 or 143: the exit code of a run that stops without a checkpoint. 0 when nobody asked.
  [[nodiscard]] int exit_code() const { return requested() ? 128 + signal() : 0; }

 private:
  sigset_t watched_{};
  sigset_t previous_mask_{};
  mutable int signal_ = 0;
};

}  // namespace dml
