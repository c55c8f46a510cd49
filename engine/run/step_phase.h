// The parts of a step that belong to one rank alone, by which ranks that do the same work are compared.
#pragma once

#include <array>
#include <cstddef>
#include <string>

namespace dml {

enum class StepPhase : std::size_t {
  forward,
  backward,
  update,
  communicate  ///< from entering a communication to handing it to the communicator; not the transfer
};
inline constexpr std::size_t kStepPhases = 4;
inline constexpr std::array<StepPhase, kStepPhases> kAllStepPhases = {
    StepPhase::forward, StepPhase::backward, StepPhase::update, StepPhase::communicate};

std::string to_string(StepPhase phase);

}  // namespace dml
