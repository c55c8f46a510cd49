#include "samplers/stratified.h"

#include "samplers/partition.h"
#include "samplers/shuffle.h"

namespace dml {
namespace {

class StratifiedSampler final : public Sampler {
 public:
  explicit StratifiedSampler(const SamplerProblem& problem)
      : partitions_(static_cast<std::size_t>(problem.lists())),
        seed_(problem.seed),
        classes_(samples_by_label(problem.labels)) {}

  EpochOrder epoch(std::int64_t epoch) const override {
    std::vector<std::vector<std::int32_t>> lists(partitions_);
    std::size_t dealt = 0;
    for (std::size_t c = 0; c < classes_.size(); ++c) {
      const auto label = static_cast<std::uint32_t>(c);
      for (const std::int32_t sample :
           shuffled_list(classes_[c], seed_, epoch, label, RandomUse::partition)) {
        lists[dealt++ % partitions_].push_back(sample);
      }
    }
    for (std::size_t v = 0; v < partitions_; ++v) {
      lists[v] = shuffled_list(lists[v], seed_, epoch, 1 + static_cast<std::uint32_t>(v));
    }
    return EpochOrder::owned(std::move(lists));
  }
  bool is_global() const override { return false; }

 private:
  std::size_t partitions_;
  std::uint64_t seed_;
  std::vector<std::vector<std::int32_t>> classes_;
};

}  // namespace

SamplerMaker stratified_sampler(SamplerArguments& /*arguments*/) {
  return [](const SamplerProblem& problem) -> std::unique_ptr<Sampler> {
    require_a_sample_each("stratified", problem);
    require_labels(problem);
    return std::make_unique<StratifiedSampler>(problem);
  };
}

}  // namespace dml
