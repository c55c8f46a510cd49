// What samplers with an owned-list partition share: lists that are dealt once and shuffled in every epoch,
// and samples by label.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "samplers/sampler.h"

namespace dml {

/// Ownership that is fixed for the run: list v belongs to partition v, and each epoch shuffles every list by
/// itself (Philox substream 1 + v).
std::unique_ptr<Sampler> make_fixed_partition(std::vector<std::vector<std::int32_t>> lists,
                                              std::uint64_t seed);

/// The samples of each label in file order; one list for every label up to the largest.
std::vector<std::vector<std::int32_t>> samples_by_label(std::span<const std::uint8_t> labels);

/// Throws UsageError when there are more partitions than samples. `sampler` is as it was typed.
void require_a_sample_each(const std::string& sampler, const SamplerProblem& problem);
/// Throws InternalError where the labels of the data set were not given.
void require_labels(const SamplerProblem& problem);

}  // namespace dml
