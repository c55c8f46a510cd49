#include "engine/train/straggler.h"

#include <algorithm>

namespace dml {
namespace {

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

/// What one rank takes longer than its twins for one phase, if it stands out.
std::optional<Straggler> compare(std::span<const RankPhases> ranks, std::size_t rank, StepPhase phase) {
  const RankPhases& own = ranks[rank];
  const auto p = static_cast<std::size_t>(phase);
  std::vector<double> excess, usual;
  for (std::size_t block = 0; block < own.blocks.size(); ++block) {
    std::vector<double> others;
    for (std::size_t other = 0; other < ranks.size(); ++other) {
      const bool is_twin = other != rank && ranks[other].stage == own.stage;
      if (is_twin && block < ranks[other].blocks.size()) others.push_back(ranks[other].blocks[block][p]);
    }
    if (others.empty()) return std::nullopt;
    usual.push_back(median_of(others));
    excess.push_back(own.blocks[block][p] - usual.back());
  }
  if (excess.empty() || own.step_ms <= 0) return std::nullopt;
  const auto slower = std::count_if(excess.begin(), excess.end(), [](double value) { return value > 0; });
  const Straggler found{.rank = static_cast<int>(rank),
                        .phase = phase,
                        .excess_ms = median_of(excess),
                        .share_of_step = median_of(excess) / own.step_ms,
                        .consistency = static_cast<double>(slower) / static_cast<double>(excess.size())};
  const bool computes = phase != StepPhase::communicate;
  if (found.share_of_step < kLeastShare || found.consistency < kLeastBlocks) return std::nullopt;
  if (computes && found.excess_ms < kLeastFactor * median_of(usual)) return std::nullopt;
  return found;
}

}  // namespace

std::optional<Straggler> find_straggler(std::span<const RankPhases> ranks) {
  std::optional<Straggler> worst;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    for (const StepPhase phase : kAllStepPhases) {
      const std::optional<Straggler> found = compare(ranks, rank, phase);
      if (found && (!worst || found->excess_ms > worst->excess_ms)) worst = found;
    }
  }
  return worst;
}

}  // namespace dml
