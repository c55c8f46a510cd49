#include "engine/train/settle.h"

#include <algorithm>
#include <cstring>

namespace dml {
namespace {

constexpr std::size_t kWordsPerRecord = sizeof(CommunicationRecord) / sizeof(std::int64_t);
static_assert(sizeof(CommunicationRecord) == 4 * sizeof(std::int64_t), "records travel as four 64-bit words");

}  // namespace

void settle_timeline(Timeline& timeline, Communicator& communicator, Stream& stream) {
  const std::vector<CommunicationRecord>& mine = timeline.communications();
  const auto ranks = static_cast<std::size_t>(communicator.size());

  std::vector<std::int64_t> count{static_cast<std::int64_t>(mine.size())};
  std::vector<std::int64_t> counts(ranks);
  communicator.all_gather(view_of(std::span(count)), view_of(std::span(counts)), stream);
  const auto longest = static_cast<std::size_t>(*std::max_element(counts.begin(), counts.end()));

  std::vector<std::int64_t> words(longest * kWordsPerRecord);
  if (!mine.empty()) std::memcpy(words.data(), mine.data(), mine.size() * sizeof(CommunicationRecord));
  std::vector<std::int64_t> gathered(words.size() * ranks);
  communicator.all_gather(view_of(std::span(words)), view_of(std::span(gathered)), stream);

  std::vector<std::vector<CommunicationRecord>> records(ranks);
  for (std::size_t r = 0; r < ranks; ++r) {
    records[r].resize(static_cast<std::size_t>(counts[r]));
    if (records[r].empty()) continue;
    std::memcpy(static_cast<void*>(records[r].data()), gathered.data() + r * words.size(),
                records[r].size() * sizeof(CommunicationRecord));
  }
  timeline.settle(wait_times_ns(records, communicator.rank()));
}

}  // namespace dml
