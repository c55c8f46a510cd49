#include "engine/train/agreement.h"

#include <algorithm>
#include <cstring>

#include "engine/run/run_config.h"
#include "kernels/base/hash.h"

namespace dml {
namespace {

std::string fingerprint(const DatasetSplits& data) {
  const auto hash = [](const std::vector<std::uint8_t>& bytes) {
    return xxh3(std::as_bytes(std::span(bytes)));
  };
  return hash(data.train.images) + hash(data.train.labels) + hash(data.test.images) + hash(data.test.labels);
}

}  // namespace

std::vector<std::string> gather_texts(Communicator& communicator, Stream& stream, const std::string& text) {
  const auto ranks = static_cast<std::size_t>(communicator.size());
  std::vector<std::int64_t> length{static_cast<std::int64_t>(text.size())};
  std::vector<std::int64_t> lengths(ranks);
  communicator.all_gather(view_of(std::span(length)), view_of(std::span(lengths)), stream);

  const auto longest = static_cast<std::size_t>(*std::max_element(lengths.begin(), lengths.end()));
  std::vector<std::uint8_t> padded(longest);
  std::memcpy(padded.data(), text.data(), text.size());
  std::vector<std::uint8_t> gathered(longest * ranks);
  communicator.all_gather(view_of(std::span(padded)), view_of(std::span(gathered)), stream);

  std::vector<std::string> texts;
  for (std::size_t r = 0; r < ranks; ++r) {
    const auto* start = reinterpret_cast<const char*>(gathered.data() + r * longest);
    texts.emplace_back(start, static_cast<std::size_t>(lengths[r]));
  }
  return texts;
}

void check_agreement(Communicator& communicator, Stream& stream, const std::string& configuration,
                     const DatasetSplits& data) {
  if (communicator.size() == 1) return;
  const std::vector<std::string> configurations = gather_texts(communicator, stream, configuration);
  const std::vector<std::string> fingerprints = gather_texts(communicator, stream, fingerprint(data));
  for (std::size_t r = 1; r < configurations.size(); ++r) {
    const std::string rank = std::to_string(r);
    if (configurations[r] != configurations[0]) {
      throw UsageError("rank " + rank + " was started with another configuration than rank 0 (" +
                       describe_difference(configurations[0], configurations[r], "on rank " + rank) +
                       "); start every rank with the same flags");
    }
    if (fingerprints[r] != fingerprints[0]) {
      throw UsageError("rank " + rank + " has read other data than rank 0 (" + data.train.source +
                       " here); give every rank the same --data-dir");
    }
  }
}

}  // namespace dml
