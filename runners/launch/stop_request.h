// Ctrl-C and SIGTERM as a flag that a training loop polls between steps.
//
// There is no signal handler, on purpose. Some compute kernels of oneDNN (before 3.11.2, its issue 4845) let
// the stack pointer point into the heap; a handler that runs then, however small, has its frame written over
// the heap. So both signals are blocked in every thread, and the flag asks the kernel whether one is pending.
#pragma once

#include <csignal>

namespace dml {

/// While it lives, the first SIGINT or SIGTERM only raises the flag; once somebody has seen it, a second one
/// ends the process at once. Must be made before any other thread is started, for threads inherit what is
/// blocked; one at a time per process, used by one thread.
class StopRequest {
 public:
  StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;
  /// Signals do again what they did before.
  ~StopRequest();

  /// The signal that asked the run to stop, 0 when none did. Costs a system call until there is one.
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
