#include "samplers/partition_card.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "kernels/base/error.h"

namespace dml {
namespace {

double sum_of(std::span<const std::int64_t> counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
}

/// printf into a string; for a line of a table.
template <class... Values>
std::string formatted(const char* format, Values... values) {
  std::array<char, 128> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

std::string percent_of(std::int64_t part, std::int64_t whole) {
  const double share = whole > 0 ? 100 * static_cast<double>(part) / static_cast<double>(whole) : 0;
  return formatted("%lld (%.1f %%)", static_cast<long long>(part), share);
}

}  // namespace

double jensen_shannon_distance(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  DML_ASSERT(a.size() == b.size(), "distributions over other classes");
  const double a_sum = sum_of(a), b_sum = sum_of(b);
  DML_ASSERT(a_sum > 0 && b_sum > 0, "a distribution of nothing");
  const auto term = [](double p, double middle) { return p > 0 ? p * std::log2(p / middle) : 0; };
  double divergence = 0;
  for (std::size_t c = 0; c < a.size(); ++c) {
    const double p = static_cast<double>(a[c]) / a_sum, q = static_cast<double>(b[c]) / b_sum;
    divergence += (term(p, (p + q) / 2) + term(q, (p + q) / 2)) / 2;
  }
  return std::sqrt(std::clamp(divergence, 0.0, 1.0));
}

PartitionCard describe_partition(const EpochOrder& order, int partitions,
                                 std::span<const std::uint8_t> labels) {
  DML_ASSERT(partitions >= 1, "a card of no partitions");
  PartitionCard card;
  card.samples = static_cast<std::int64_t>(labels.size());
  card.length = order.length();
  const std::size_t classes =
      labels.empty() ? 0 : std::size_t{*std::max_element(labels.begin(), labels.end())} + 1;
  std::vector<std::int64_t> whole(classes);
  for (const std::uint8_t label : labels) ++whole[label];

  constexpr int kNobody = -1, kSeveral = -2;
  std::vector<std::int64_t> times(labels.size());
  std::vector<int> owner(labels.size(), kNobody);
  card.shares.resize(static_cast<std::size_t>(partitions));
  for (PartitionShare& share : card.shares) share.classes.resize(classes);
  std::vector<std::int64_t> positions(card.shares.size());
  for (std::int64_t p = 0; p < order.length(); ++p) {
    const auto v = static_cast<int>(p % partitions);
    PartitionShare& share = card.shares[static_cast<std::size_t>(v)];
    ++positions[static_cast<std::size_t>(v)];
    const auto sample = order.sample(p);
    if (!sample) continue;
    const auto i = static_cast<std::size_t>(*sample);
    ++share.samples;
    ++share.classes[labels[i]];
    ++times[i];
    owner[i] = owner[i] == kNobody || owner[i] == v ? v : kSeveral;
  }
  double draws = 0, squares = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    ++(times[i] == 0 ? card.never : times[i] == 1 ? card.once : card.repeated);
    if (owner[i] == kSeveral) ++card.shared;
    draws += static_cast<double>(times[i]);
    squares += static_cast<double>(times[i] * times[i]);
  }
  card.effective_samples = squares > 0 ? draws * draws / squares : 0;
  for (std::size_t v = 0; v < card.shares.size(); ++v) {
    PartitionShare& share = card.shares[v];
    if (share.samples > 0) share.label_distance = jensen_shannon_distance(share.classes, whole);
    share.idle =
        positions[v] > 0 ? 1 - static_cast<double>(share.samples) / static_cast<double>(positions[v]) : 0;
  }
  return card;
}

std::string card_text(const PartitionCard& card, const std::string& title, std::int64_t batch) {
  constexpr std::size_t kMostColumns = 10;  // of classes: more would not fit a terminal
  std::string text = title + "\npartition   samples    idle  distance  samples of each class\n";
  for (std::size_t v = 0; v < card.shares.size(); ++v) {
    const PartitionShare& share = card.shares[v];
    text += formatted("%9zu %9lld %5.1f %%  %8.3f ", v, static_cast<long long>(share.samples),
                      100 * share.idle, share.label_distance);
    for (std::size_t c = 0; c < std::min(share.classes.size(), kMostColumns); ++c) {
      text += formatted(" %5lld", static_cast<long long>(share.classes[c]));
    }
    text += share.classes.size() > kMostColumns ? " ...\n" : "\n";
  }
  text += "of the data set: once " + percent_of(card.once, card.samples) + ", more often " +
          percent_of(card.repeated, card.samples) + ", never " + percent_of(card.never, card.samples) +
          ", in several partitions " + percent_of(card.shared, card.samples) + "\n";
  text += formatted("effective samples %.0f of %lld; ", card.effective_samples,
                    static_cast<long long>(card.samples));
  text += formatted("%lld steps an epoch; idle: positions without a sample while the longest list lasts\n",
                    static_cast<long long>(card.steps(batch)));
  return text;
}

}  // namespace dml
