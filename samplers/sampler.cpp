#include "samplers/sampler.h"

#include <algorithm>

#include "kernels/base/error.h"
#include "samplers/balanced.h"
#include "samplers/random.h"

namespace dml {

EpochOrder EpochOrder::global(std::vector<std::int32_t> order) {
  EpochOrder result;
  result.length_ = static_cast<std::int64_t>(order.size());
  result.lists_.push_back(std::move(order));
  return result;
}

EpochOrder EpochOrder::owned(std::vector<std::vector<std::int32_t>> lists) {
  DML_ASSERT(!lists.empty(), "an order without replicas");
  EpochOrder result;
  result.owned_ = true;
  std::size_t longest = 0;
  for (const auto& list : lists) longest = std::max(longest, list.size());
  result.length_ = static_cast<std::int64_t>(longest * lists.size());
  result.lists_ = std::move(lists);
  return result;
}

std::optional<std::int64_t> EpochOrder::sample(std::int64_t position) const {
  DML_ASSERT(position >= 0 && position < length_, "a position outside the epoch");
  const auto p = static_cast<std::size_t>(position);
  if (!owned_) return lists_.front()[p];
  const std::vector<std::int32_t>& list = lists_[p % lists_.size()];
  const std::size_t row = p / lists_.size();
  if (row >= list.size()) return std::nullopt;
  return list[row];
}

std::vector<SamplerDescription> sampler_descriptions() {
  return {
      {"balanced",
       "one shuffle of the data set per epoch, dealt to the replicas in turn: disjoint, sizes differ by "
       "at most one, every sample exactly once"},
      {"random",
       "each replica shuffles the whole data set by itself and takes its first ceil(N / W) samples: "
       "replicas overlap and some samples are not seen in an epoch"},
  };
}

std::vector<std::string> sampler_names() {
  std::vector<std::string> names;
  for (const SamplerDescription& description : sampler_descriptions()) names.push_back(description.name);
  return names;
}

std::unique_ptr<Sampler> make_sampler(const std::string& text, const SamplerProblem& problem) {
  const std::string name = text.substr(0, text.find(':'));
  if (name != text) {
    throw UsageError("--sampler " + text + ": the sampler " + name +
                     " takes no parameters; write --sampler " + name);
  }
  if (name == "balanced") return make_balanced_sampler(problem);
  if (name == "random") return make_random_sampler(problem);
  std::string known;
  for (const std::string& word : sampler_names()) known += (known.empty() ? "" : ", ") + word;
  throw UsageError("--sampler " + text + ": no such sampler; known are " + known);
}

}  // namespace dml
