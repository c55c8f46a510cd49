#include "samplers/sampler.h"

#include <algorithm>
#include <array>

#include "kernels/base/error.h"
#include "samplers/arguments.h"
#include "samplers/balanced.h"
#include "samplers/bootstrap.h"
#include "samplers/contiguous.h"
#include "samplers/dirichlet.h"
#include "samplers/quantity.h"
#include "samplers/random.h"
#include "samplers/shards.h"
#include "samplers/stratified.h"
#include "samplers/strided.h"

namespace dml {
namespace {

struct Entry {
  const char* name = "";
  const char* summary = "";
  SamplerMaker (*parse)(SamplerArguments& arguments) = nullptr;
  bool is_global = false;
};

constexpr std::array kSamplers = {
    Entry{"balanced",
          "one shuffle of the data set per epoch, dealt to the replicas in turn: disjoint, sizes differ by "
          "at most one, every sample exactly once",
          balanced_sampler, true},
    Entry{"random",
          "each replica shuffles the whole data set by itself and takes its first ceil(N / W) samples: "
          "replicas overlap and some samples are not seen in an epoch",
          random_sampler},
    Entry{"bootstrap", "each replica draws ceil(N / W) samples with replacement, anew in every epoch",
          bootstrap_sampler},
    Entry{"contiguous", "replica r owns block r of file order, shuffled in every epoch", contiguous_sampler},
    Entry{"strided", "replica r owns samples r, r + W, r + 2 W, ... of file order, shuffled in every epoch",
          strided_sampler},
    Entry{
        "stratified",
        "every replica gets every class in proportion, counts differ by at most one; redrawn in every epoch",
        stratified_sampler},
    Entry{"shards",
          "sorted by label and cut into k shards a replica, dealt at random once: few classes each. "
          "Parameter: k=2",
          shards_sampler},
    Entry{"dirichlet",
          "label skew: each class is split in proportions drawn from a Dirichlet distribution, once. "
          "Parameters: alpha=0.5 (smaller is more skewed), min=1 sample each",
          dirichlet_sampler},
    Entry{
        "quantity",
        "size skew by a named law, labels as they come, drawn once. Parameters: law=zipf with exponent=1, or "
        "law=lognormal with sigma=1",
        quantity_sampler},
};

}  // namespace

EpochOrder EpochOrder::global(List order) {
  std::vector<List> lists;
  lists.push_back(std::move(order));
  return owned(std::move(lists));
}

EpochOrder EpochOrder::owned(std::vector<List> lists) {
  DML_ASSERT(!lists.empty(), "an order without replicas");
  EpochOrder result;
  for (List& list : lists) {
    result.lengths_.push_back(static_cast<std::int64_t>(list.size()));
    result.lists_.emplace_back(std::move(list));
  }
  const std::int64_t longest = *std::max_element(result.lengths_.begin(), result.lengths_.end());
  result.length_ = longest * static_cast<std::int64_t>(result.lengths_.size());
  return result;
}

EpochOrder EpochOrder::owned(std::vector<std::int64_t> lengths, std::function<List(std::size_t)> make_list) {
  DML_ASSERT(!lengths.empty(), "an order without replicas");
  EpochOrder result;
  result.length_ =
      *std::max_element(lengths.begin(), lengths.end()) * static_cast<std::int64_t>(lengths.size());
  result.lists_.resize(lengths.size());
  result.lengths_ = std::move(lengths);
  result.make_list_ = std::move(make_list);
  return result;
}

bool EpochOrder::holds(std::int64_t position) const {
  DML_ASSERT(position >= 0 && position < length_, "a position outside the epoch");
  const auto lists = static_cast<std::int64_t>(lengths_.size());
  return position / lists < lengths_[static_cast<std::size_t>(position % lists)];
}

std::optional<std::int64_t> EpochOrder::sample(std::int64_t position) const {
  if (!holds(position)) return std::nullopt;
  const auto p = static_cast<std::size_t>(position);
  std::optional<List>& list = lists_[p % lists_.size()];
  if (!list) {
    list = make_list_(p % lists_.size());
    DML_ASSERT(static_cast<std::int64_t>(list->size()) == lengths_[p % lists_.size()],
               "a list of another length than was said");
  }
  return (*list)[p / lists_.size()];
}

std::vector<SamplerDescription> sampler_descriptions() {
  std::vector<SamplerDescription> descriptions;
  for (const Entry& entry : kSamplers) descriptions.push_back({entry.name, entry.summary, entry.is_global});
  return descriptions;
}

std::vector<std::string> sampler_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kSamplers) names.emplace_back(entry.name);
  return names;
}

SamplerMaker parse_sampler(const std::string& text) {
  SamplerArguments arguments(text);
  const auto* const found = std::find_if(kSamplers.begin(), kSamplers.end(),
                                         [&](const Entry& entry) { return arguments.name() == entry.name; });
  if (found == kSamplers.end()) {
    std::string known;
    for (const Entry& entry : kSamplers) known += (known.empty() ? "" : ", ") + std::string(entry.name);
    throw UsageError("--sampler " + text + ": no such sampler; known are " + known);
  }
  SamplerMaker make = found->parse(arguments);
  arguments.refuse_others();
  return [make = std::move(make)](const SamplerProblem& problem) {
    DML_ASSERT(problem.samples >= 0 && problem.samples <= INT32_MAX && problem.replicas >= 1,
               "an impossible data set to sample from");
    return make(problem);
  };
}

std::unique_ptr<Sampler> make_sampler(const std::string& text, const SamplerProblem& problem) {
  return parse_sampler(text)(problem);
}

}  // namespace dml
