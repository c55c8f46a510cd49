// What the engine needs to know of a sampler: the samples of an epoch by position.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace dml {

/// Position p of [0, length) belongs to replica p mod W and holds sample(p), or none.
struct SampleOrder {
  std::int64_t length = 0;
  std::function<std::optional<std::int64_t>(std::int64_t position)> sample;
  /// Whether there is one, without finding out which: for positions of others. Empty: every position does.
  std::function<bool(std::int64_t position)> holds = {};
};

/// The order of an epoch, a pure function: the same on every rank.
using OrderOfEpoch = std::function<SampleOrder(std::int64_t epoch)>;

}  // namespace dml
