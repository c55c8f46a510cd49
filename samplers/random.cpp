#include "samplers/random.h"

#include "samplers/shuffle.h"

namespace dml {
namespace {

class RandomSampler final : public Sampler {
 public:
  explicit RandomSampler(const SamplerProblem& problem) : problem_(problem) {}

  EpochOrder epoch(std::int64_t epoch) const override {
    const std::int64_t share = (problem_.samples + problem_.lists() - 1) / problem_.lists();
    const std::vector<std::int64_t> lengths(static_cast<std::size_t>(problem_.lists()), share);
    return EpochOrder::owned(lengths, [problem = problem_, share, epoch](std::size_t v) {
      return shuffled(problem.samples, share, problem.seed, epoch, 1 + static_cast<std::uint32_t>(v));
    });
  }
  bool is_global() const override { return false; }

 private:
  SamplerProblem problem_;
};

}  // namespace

SamplerMaker random_sampler(SamplerArguments& /*arguments*/) {
  return [](const SamplerProblem& problem) -> std::unique_ptr<Sampler> {
    return std::make_unique<RandomSampler>(problem);
  };
}

}  // namespace dml
