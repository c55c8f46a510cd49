#include "runners/launch/thread_waiting.h"

#include <cstdlib>
#include <unistd.h>

namespace dml {
namespace {

// Some 60 microseconds: more than the gaps inside a step, and less than a time slice by far.
constexpr const char* kSpinCount = "1000";

}  // namespace

void restart_with_short_spin(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  if (setenv("GOMP_SPINCOUNT", kSpinCount, 1) == 0) execv("/proc/self/exe", argv);
}

}  // namespace dml
