#include "samplers/random.h"

#include "samplers/shuffle.h"

namespace dml {
namespace {

class RandomSampler final : public Sampler {
 public:
  explicit RandomSampler(const SamplerProblem& problem) : problem_(problem) {}

  EpochOrder epoch(std::int64_t epoch) const override {
    const std::int64_t share = (problem_.samples + problem_.replicas - 1) / problem_.replicas;
    std::vector<std::vector<std::int32_t>> lists;
    for (int replica = 0; replica < problem_.replicas; ++replica) {
      lists.push_back(
          shuffled(problem_.samples, share, problem_.seed, epoch, 1 + static_cast<std::uint32_t>(replica)));
    }
    return EpochOrder::owned(std::move(lists));
  }
  bool is_global() const override { return false; }

 private:
  SamplerProblem problem_;
};

}  // namespace

std::unique_ptr<Sampler> make_random_sampler(const SamplerProblem& problem) {
  return std::make_unique<RandomSampler>(problem);
}

}  // namespace dml
