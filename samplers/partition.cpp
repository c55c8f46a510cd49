#include "samplers/partition.h"

#include "kernels/base/error.h"
#include "samplers/shuffle.h"

namespace dml {
namespace {

class FixedPartition final : public Sampler {
 public:
  FixedPartition(std::vector<std::vector<std::int32_t>> lists, std::uint64_t seed)
      : lists_(std::make_shared<const Lists>(std::move(lists))), seed_(seed) {
    for (const auto& list : *lists_) lengths_.push_back(static_cast<std::int64_t>(list.size()));
  }

  EpochOrder epoch(std::int64_t epoch) const override {
    return EpochOrder::owned(lengths_, [lists = lists_, seed = seed_, epoch](std::size_t v) {
      return shuffled_list((*lists)[v], seed, epoch, 1 + static_cast<std::uint32_t>(v));
    });
  }
  bool is_global() const override { return false; }

 private:
  using Lists = std::vector<std::vector<std::int32_t>>;
  std::shared_ptr<const Lists> lists_;
  std::uint64_t seed_;
  std::vector<std::int64_t> lengths_;
};

}  // namespace

std::unique_ptr<Sampler> make_fixed_partition(std::vector<std::vector<std::int32_t>> lists,
                                              std::uint64_t seed) {
  return std::make_unique<FixedPartition>(std::move(lists), seed);
}

std::vector<std::vector<std::int32_t>> samples_by_label(std::span<const std::uint8_t> labels) {
  std::vector<std::vector<std::int32_t>> classes;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= classes.size()) classes.resize(std::size_t{labels[i]} + 1);
    classes[labels[i]].push_back(static_cast<std::int32_t>(i));
  }
  return classes;
}

void require_a_sample_each(const std::string& sampler, const SamplerProblem& problem) {
  if (problem.lists() <= problem.samples) return;
  throw UsageError("--sampler " + sampler + ": " + std::to_string(problem.lists()) +
                   " partitions cannot each own one of " + std::to_string(problem.samples) +
                   " samples. At most " + std::to_string(problem.samples) +
                   " can: fewer ranks or --partitions, or more samples.");
}

void require_labels(const SamplerProblem& problem) {
  DML_ASSERT(static_cast<std::int64_t>(problem.labels.size()) == problem.samples,
             "a sampler that looks at labels was given those of another data set");
}

}  // namespace dml
