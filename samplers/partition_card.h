// What a partition is like, before anything is trained on it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "samplers/sampler.h"

namespace dml {

/// One partition (or, of a global order, one replica's share) in one epoch.
struct PartitionShare {
  std::int64_t samples = 0;           ///< that it gives, repeats counted
  std::vector<std::int64_t> classes;  ///< of them by label
  /// Jensen-Shannon distance of its labels from those of the data set: the square root of the divergence in
  /// bits, 0 (alike) to 1 (nothing in common). Lin, "Divergence measures based on the Shannon entropy"
  /// (1991).
  double label_distance = 0;
  double idle = 0;  ///< share of its positions that hold no sample: what a replica of its own would wait
};

struct PartitionCard {
  std::vector<PartitionShare> shares;
  std::int64_t samples = 0;                        ///< N
  std::int64_t length = 0;                         ///< positions of the epoch
  std::int64_t once = 0, repeated = 0, never = 0;  ///< of the N samples
  std::int64_t shared = 0;                         ///< that come in more than one partition
  /// Kish's effective sample size of the draws, (sum m)^2 / sum m^2 with m how often a sample comes: N where
  /// each comes once.
  double effective_samples = 0;

  [[nodiscard]] std::int64_t steps(std::int64_t batch) const { return (length + batch - 1) / batch; }
};

/// `partitions` is how many lists the positions are dealt to in turn.
PartitionCard describe_partition(const EpochOrder& order, int partitions,
                                 std::span<const std::uint8_t> labels);

/// As a table; `title` is the first line.
std::string card_text(const PartitionCard& card, const std::string& title, std::int64_t batch);

/// Of two distributions, given as counts; each has at least one.
double jensen_shannon_distance(std::span<const std::int64_t> a, std::span<const std::int64_t> b);

}  // namespace dml
