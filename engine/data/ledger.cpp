#include "engine/data/ledger.h"

#include <algorithm>
#include <cstdio>

#include "kernels/base/error.h"

namespace dml {
namespace {

/// A bijection of 64 bits in which each input bit reaches every output bit: the finaliser of SplitMix64
/// (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
std::uint64_t mixed(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15U;
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

}  // namespace

void LedgerSum::add(std::int64_t sample, std::int64_t times) {
  hash += static_cast<std::uint64_t>(times) * mixed(static_cast<std::uint64_t>(sample));
  draws += times;
}

std::string hash_text(std::uint64_t hash) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

void DataLedger::consume(std::span<const std::int64_t> samples) {
  for (const std::int64_t sample : samples) {
    DML_ASSERT(sample >= 0 && sample < static_cast<std::int64_t>(counts_.size()),
               "a sample outside the data set was consumed");
    ++counts_[static_cast<std::size_t>(sample)];
  }
}

void DataLedger::clear() {
  std::fill(counts_.begin(), counts_.end(), 0);
}

EpochLedger read_counts(std::span<const std::int32_t> counts, std::int64_t epoch, bool whole) {
  EpochLedger ledger;
  ledger.epoch = epoch;
  ledger.whole = whole;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    ++(counts[i] == 0 ? ledger.never : counts[i] == 1 ? ledger.once : ledger.repeated);
    ledger.sum.add(static_cast<std::int64_t>(i), counts[i]);
  }
  return ledger;
}

}  // namespace dml
