#include "engine/train/step_times.h"

#include <algorithm>
#include <numeric>
#include <span>

namespace dml {
namespace {

/// Of a non-empty set of steps.
PhaseTimes medians_of(std::span<const PhaseTimes> steps) {
  PhaseTimes medians{};
  std::vector<double> values(steps.size());
  for (std::size_t phase = 0; phase < kStepPhases; ++phase) {
    for (std::size_t i = 0; i < steps.size(); ++i) values[i] = steps[i][phase];
    if (phase == static_cast<std::size_t>(StepPhase::communicate)) {  // most local steps have none
      medians[phase] =
          std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
      continue;
    }
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    medians[phase] = *middle;
  }
  return medians;
}

}  // namespace

/// The step before this one is complete now.
void StepTimes::begin_step(double load) {
  if (kept_.capacity() < kKept) kept_.reserve(kKept);
  if (load_ > 0 && steps_++ % stride_ == 0) {
    if (kept_.size() == kKept) {
      for (std::size_t i = 0; i < kKept / 2; ++i) kept_[i] = kept_[2 * i];
      kept_.resize(kKept / 2);
      stride_ *= 2;
    }
    for (const StepPhase phase : {StepPhase::forward, StepPhase::backward}) {
      current_[static_cast<std::size_t>(phase)] /= load_;
    }
    kept_.push_back(current_);
  }
  load_ = load;
  current_ = {};
}

void StepTimes::reset() {
  kept_.clear();
  current_ = {};
  load_ = 0;
  steps_ = 0;
  stride_ = 1;
}

std::vector<PhaseTimes> StepTimes::block_medians(std::size_t count) const {
  const std::size_t blocks = std::min(count, kept_.size() / kLeastPerBlock);
  std::vector<PhaseTimes> medians;
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t first = block * kept_.size() / blocks, last = (block + 1) * kept_.size() / blocks;
    medians.push_back(medians_of(std::span(kept_).subspan(first, last - first)));
  }
  return medians;
}

PhaseTimes StepTimes::medians() const {
  return kept_.empty() ? PhaseTimes{} : medians_of(kept_);
}

}  // namespace dml
