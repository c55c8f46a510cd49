#include "samplers/bootstrap.h"

#include "samplers/random_numbers.h"
#include "samplers/shuffle.h"

namespace dml {
namespace {

class BootstrapSampler final : public Sampler {
 public:
  explicit BootstrapSampler(const SamplerProblem& problem)
      : samples_(problem.samples),
        seed_(problem.seed),
        lengths_(static_cast<std::size_t>(problem.lists()),
                 (problem.samples + problem.lists() - 1) / problem.lists()) {}

  EpochOrder epoch(std::int64_t epoch) const override {
    return EpochOrder::owned(lengths_, [samples = samples_, seed = seed_, count = lengths_.front(),
                                        epoch](std::size_t v) {
      RandomWords random(PhiloxStream(seed, RandomUse::shuffle, static_cast<std::uint32_t>(epoch),
                                      1 + static_cast<std::uint32_t>(v)));
      EpochOrder::List list(static_cast<std::size_t>(count));
      for (std::int32_t& sample : list) {
        sample = static_cast<std::int32_t>(scaled_to(random.next64(), static_cast<std::uint64_t>(samples)));
      }
      return list;
    });
  }
  bool is_global() const override { return false; }

 private:
  std::int64_t samples_;
  std::uint64_t seed_;
  std::vector<std::int64_t> lengths_;
};

}  // namespace

SamplerMaker bootstrap_sampler(SamplerArguments& /*arguments*/) {
  return [](const SamplerProblem& problem) -> std::unique_ptr<Sampler> {
    return std::make_unique<BootstrapSampler>(problem);
  };
}

}  // namespace dml
