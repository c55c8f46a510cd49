#include "runners/launch/stop_request.h"

namespace dml {

StopRequest::StopRequest() {
  sigemptyset(&watched_);
  sigaddset(&watched_, SIGINT);
  sigaddset(&watched_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &watched_, &previous_mask_);
}

StopRequest::~StopRequest() {
  pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

int StopRequest::signal() const {
  if (signal_ != 0) return signal_;
  const timespec no_time{};
  const int pending = sigtimedwait(&watched_, nullptr, &no_time);
  if (pending > 0) {
    signal_ = pending;
    pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
  }
  return signal_;
}

}  // namespace dml
