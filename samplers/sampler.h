// Samplers: which sample goes to which replica, in which order.
//
// The order of an epoch is a pure function of (seed, epoch, sampler, partitions, sizes, labels): no hidden
// state, the same on every rank. Step t of a run with batch B takes positions [t B, min((t + 1) B, L)) of an
// epoch of L positions, and position p is worked on by replica p mod W. A sampler gives either
//   - one global order: sample = order[p], the same batches at any number of replicas W; or
//   - one list for each of P partitions (virtual nodes): sample = list_v[p div P] with v = p mod P,
//     L = P * longest list; where a list is exhausted the position holds no sample.
// P is W unless --partitions says otherwise. With P = W partition r is what replica r has; with W a divisor
// of P, replica r works for partitions r, r + W, ...; at any W the batches of a given P are the same.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dml {

/// The samples of one epoch. Lists are made when the first sample of one is asked for, so that a rank pays
/// for its own; not to be used by two threads at once.
class EpochOrder {
 public:
  using List = std::vector<std::int32_t>;

  /// One order for all replicas.
  static EpochOrder global(List order);
  /// list v belongs to partition v.
  static EpochOrder owned(std::vector<List> lists);
  /// The same with lists of these lengths, made by `make_list(v)` when needed.
  static EpochOrder owned(std::vector<std::int64_t> lengths, std::function<List(std::size_t)> make_list);

  /// Positions of the epoch, counting those that hold no sample.
  [[nodiscard]] std::int64_t length() const { return length_; }
  /// Whether there is a sample at `position` in [0, length()); makes no list.
  [[nodiscard]] bool holds(std::int64_t position) const;
  /// The sample there, if there is one.
  [[nodiscard]] std::optional<std::int64_t> sample(std::int64_t position) const;

 private:
  std::int64_t length_ = 0;
  std::vector<std::int64_t> lengths_;
  std::function<List(std::size_t)> make_list_;
  mutable std::vector<std::optional<List>> lists_;
};

struct SamplerProblem {
  std::int64_t samples = 0;  ///< N, the size of the data set; fits 31 bits
  int replicas = 1;          ///< W
  std::uint64_t seed = 0;
  int partitions = 0;                         ///< P; 0: as many as replicas
  std::span<const std::uint8_t> labels = {};  ///< of the N samples, for samplers that look at them

  [[nodiscard]] int lists() const { return partitions > 0 ? partitions : replicas; }
};

class Sampler {
 public:
  Sampler() = default;
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;
  virtual ~Sampler() = default;

  [[nodiscard]] virtual EpochOrder epoch(std::int64_t epoch) const = 0;
  /// True when the batches are the same at any number of partitions.
  [[nodiscard]] virtual bool is_global() const = 0;
};

/// One line of `help samplers`.
struct SamplerDescription {
  std::string name;
  std::string summary;
  bool is_global = false;  ///< Sampler::is_global() of every sampler of this name
};

std::vector<SamplerDescription> sampler_descriptions();
std::vector<std::string> sampler_names();

using SamplerMaker = std::function<std::unique_ptr<Sampler>(const SamplerProblem&)>;

/// `text` is NAME[:key=value,...]. Throws UsageError naming the word, key or value at fault and the known
/// ones. What is returned makes the sampler, and throws UsageError when data and partitions do not allow it,
/// naming the nearest request that they do.
SamplerMaker parse_sampler(const std::string& text);

/// Both in one.
std::unique_ptr<Sampler> make_sampler(const std::string& text, const SamplerProblem& problem);

}  // namespace dml
