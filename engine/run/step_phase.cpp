#include "engine/run/step_phase.h"

namespace dml {

std::string to_string(StepPhase phase) {
  switch (phase) {
    case StepPhase::forward:
      return "forward";
    case StepPhase::backward:
      return "backward";
    case StepPhase::update:
      return "update";
    case StepPhase::communicate:
      return "communicate";
  }
  return "unknown";
}

}  // namespace dml
