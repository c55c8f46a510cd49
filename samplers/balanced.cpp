#include "samplers/balanced.h"

#include "samplers/shuffle.h"

namespace dml {
namespace {

class BalancedSampler final : public Sampler {
 public:
  explicit BalancedSampler(const SamplerProblem& problem) : problem_(problem) {}

  EpochOrder epoch(std::int64_t epoch) const override {
    return EpochOrder::global(shuffled(problem_.samples, problem_.samples, problem_.seed, epoch, 0));
  }
  bool is_global() const override { return true; }

 private:
  SamplerProblem problem_;
};

}  // namespace

SamplerMaker balanced_sampler(SamplerArguments& /*arguments*/) {
  return [](const SamplerProblem& problem) -> std::unique_ptr<Sampler> {
    return std::make_unique<BalancedSampler>(problem);
  };
}

}  // namespace dml
