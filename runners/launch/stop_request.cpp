#include "runners/launch/stop_request.h"

namespace dml {

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  struct sigaction hang_up {};
  sigaction(SIGHUP, nullptr, &hang_up);
  if (hang_up.sa_handler != SIG_IGN) sigaddset(&signals, SIGHUP);
  return signals;
}

StopRequest::StopRequest() : watched_(stop_signals()) {
  pthread_sigmask(SIG_BLOCK, &watched_, &previous_mask_);
}

StopRequest::~StopRequest() {
  sigset_t hang_up;
  sigemptyset(&hang_up);
  sigaddset(&hang_up, SIGHUP);
  const timespec no_time{};
  if (signal_ != 0) sigtimedwait(&hang_up, nullptr, &no_time);  // one that was asked for already
  pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

int StopRequest::signal() const {
  if (signal_ != 0) return signal_;
  const timespec no_time{};
  const int pending = sigtimedwait(&watched_, nullptr, &no_time);
  if (pending > 0) {
    signal_ = as_stop_signal(pending);
    // A terminal that ends hangs up twice: the kernel does, and the shell as well.
    sigset_t mask = previous_mask_;
    if (pending == SIGHUP) sigaddset(&mask, SIGHUP);
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  }
  return signal_;
}

}  // namespace dml
