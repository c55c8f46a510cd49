// Ctrl-C and SIGTERM as a flag that a training loop polls between steps.
#pragma once

#include <csignal>

namespace dml {

/// While it lives, the first SIGINT or SIGTERM only sets the flag; a second one of the same kind ends the
/// process as usual. One at a time per process.
class StopRequest {
 public:
  StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;
  /// Puts the previous handlers back.
  ~StopRequest();

  /// The signal that asked the run to stop, 0 when none did.
  [[nodiscard]] int signal() const;
  [[nodiscard]] bool requested() const { return signal() != 0; }
  /// 130 or 143: the exit code of a run that stops without a checkpoint. 0 when nobody asked.
  [[nodiscard]] int exit_code() const { return requested() ? 128 + signal() : 0; }

 private:
  struct sigaction previous_interrupt_ {};
  struct sigaction previous_terminate_ {};
};

}  // namespace dml
