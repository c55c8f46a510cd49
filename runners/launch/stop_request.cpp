#include "runners/launch/stop_request.h"

#include <atomic>

namespace dml {
namespace {

// A signal handler reaches nothing but a static; it must be lock-free to be safe there.
std::atomic<int> requested_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

void note_signal(int signal) {
  requested_signal.store(signal, std::memory_order_relaxed);
}

}  // namespace

StopRequest::StopRequest() {
  requested_signal = 0;
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &previous_interrupt_);
  sigaction(SIGTERM, &action, &previous_terminate_);
}

StopRequest::~StopRequest() {
  sigaction(SIGINT, &previous_interrupt_, nullptr);
  sigaction(SIGTERM, &previous_terminate_, nullptr);
}

int StopRequest::signal() const {
  return requested_signal.load(std::memory_order_relaxed);
}

}  // namespace dml
