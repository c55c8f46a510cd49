// The data ledger: which samples an epoch consumed, counted where they are read.
//
// Each replica counts how often it read each sample. At the end of an epoch the ranks add up their counts, so
// that what is reported is what happened and not what a sampler promised. The hash of a multiset of samples
// is the sum, modulo 2^64, of mix(sample) over it: the same in any order and for any division over ranks, so
// equal hashes mean that the same samples were consumed the same number of times.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dml {

/// An order-free hash of samples, and how many they are.
struct LedgerSum {
  std::uint64_t hash = 0;
  std::int64_t draws = 0;

  void add(std::int64_t sample, std::int64_t times = 1);
  bool operator==(const LedgerSum&) const = default;
};

/// One epoch over all ranks. once + repeated + never is the size of the data set.
struct EpochLedger {
  std::int64_t epoch = 0;
  LedgerSum sum;
  std::int64_t once = 0, repeated = 0, never = 0;
  bool whole = false;  ///< the epoch was trained to its end
};

/// "9a3f...": the 16 hex digits of a hash.
std::string hash_text(std::uint64_t hash);

/// The counts of one rank.
class DataLedger {
 public:
  /// `samples`: of the data set.
  explicit DataLedger(std::int64_t samples) : counts_(static_cast<std::size_t>(samples)) {}

  void consume(std::span<const std::int64_t> samples);
  /// How often each sample was read since clear().
  [[nodiscard]] std::span<std::int32_t> counts() { return counts_; }
  void clear();

 private:
  std::vector<std::int32_t> counts_;
};

/// What `counts` (of all ranks together) say about an epoch.
EpochLedger read_counts(std::span<const std::int32_t> counts, std::int64_t epoch, bool whole);

}  // namespace dml
