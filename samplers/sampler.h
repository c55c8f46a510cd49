// Samplers: which sample goes to which replica, in which order.
//
// The order of an epoch is a pure function of (seed, epoch, sampler, sizes): no hidden state, the same on
// every rank. Step t of a run with batch B takes positions [t B, min((t + 1) B, L)) of an epoch of L
// positions, and position p belongs to replica p mod W. A sampler gives either
//   - one global order: sample = order[p], the same batches at any number of replicas W; or
//   - one list per replica: sample = list_r[p div W] with r = p mod W, L = W * longest list; where a list is
//     exhausted the position holds no sample.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dml {

/// The samples of one epoch.
class EpochOrder {
 public:
  /// One order for all replicas.
  static EpochOrder global(std::vector<std::int32_t> order);
  /// list r belongs to replica r.
  static EpochOrder owned(std::vector<std::vector<std::int32_t>> lists);

  /// Positions of the epoch, counting those that hold no sample.
  [[nodiscard]] std::int64_t length() const { return length_; }
  /// The sample at `position` in [0, length()), if there is one.
  [[nodiscard]] std::optional<std::int64_t> sample(std::int64_t position) const;

 private:
  bool owned_ = false;
  std::int64_t length_ = 0;
  std::vector<std::vector<std::int32_t>> lists_;
};

struct SamplerProblem {
  std::int64_t samples = 0;  ///< N, the size of the data set; fits 31 bits
  int replicas = 1;          ///< W
  std::uint64_t seed = 0;
};

class Sampler {
 public:
  Sampler() = default;
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;
  virtual ~Sampler() = default;

  [[nodiscard]] virtual EpochOrder epoch(std::int64_t epoch) const = 0;
  /// True when the batches are the same at any number of replicas.
  [[nodiscard]] virtual bool is_global() const = 0;
};

/// One line of `help samplers`.
struct SamplerDescription {
  std::string name;
  std::string summary;
};

std::vector<SamplerDescription> sampler_descriptions();
std::vector<std::string> sampler_names();

/// `text` is NAME[:key=value,...]. Throws UsageError naming the word at fault and the known ones.
std::unique_ptr<Sampler> make_sampler(const std::string& text, const SamplerProblem& problem);

}  // namespace dml
