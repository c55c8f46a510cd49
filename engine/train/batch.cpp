#include "engine/train/batch.h"

#include <algorithm>

#include "engine/parallel/modes.h"
#include "kernels/base/error.h"
#include "kernels/base/proportion.h"

namespace dml {

BatchSequence::BatchSequence(SampleOrder order, std::int64_t batch, int replicas, int replica, int slices,
                             std::int64_t local_steps)
    : order_(std::move(order)),
      batch_(batch),
      replicas_(replicas),
      replica_(replica),
      slices_(slices),
      local_steps_(local_steps) {
  DML_ASSERT(
      batch >= 1 && replicas >= 1 && replica >= 0 && replica < replicas && slices >= 1 && local_steps >= 0,
      "an impossible batch");
}

void BatchSequence::set_shares(std::vector<double> weights) {
  DML_ASSERT(weights.size() == static_cast<std::size_t>(replicas_), "one weight for each replica");
  shares_ = std::move(weights);
}

/// How many of a step's positions each replica gets: one, and the rest in proportion.
std::vector<std::int64_t> BatchSequence::parts_of(std::int64_t positions) const {
  const std::int64_t each = positions >= replicas_ ? 1 : 0;
  std::vector<std::int64_t> parts = proportional_parts(positions - each * replicas_, shares_);
  for (std::int64_t& part : parts) part += each;
  return parts;
}

void BatchSequence::take(std::int64_t step, StepBatch& out) const {
  DML_ASSERT(step >= 0 && step < steps(), "a step outside the epoch");
  out.replica_samples.assign(static_cast<std::size_t>(replicas_), 0);
  out.micro_batches.resize(static_cast<std::size_t>(slices_));
  for (auto& indices : out.micro_batches) indices.clear();

  std::vector<std::int64_t>& mine = out.micro_batches.front();  // all of them first, then dealt out
  const std::int64_t first = step * batch_, end = std::min((step + 1) * batch_, order_.length);
  const std::vector<std::int64_t> parts =
      shares_.empty() ? std::vector<std::int64_t>{} : parts_of(end - first);
  std::size_t sharer = 0;  // who gets the position when there are shares
  std::int64_t sharer_end = parts.empty() ? 0 : first + parts.front();
  for (std::int64_t position = first; position < end; ++position) {
    if (order_.holds && !order_.holds(position)) continue;
    while (!parts.empty() && position >= sharer_end) sharer_end += parts[++sharer];
    const auto owner = parts.empty() ? static_cast<std::size_t>(position % replicas_) : sharer;
    ++out.replica_samples[owner];
    if (owner != static_cast<std::size_t>(replica_)) continue;
    const std::optional<std::int64_t> sample = order_.sample(position);
    DML_ASSERT(sample.has_value(), "an order that holds a sample and has none");
    mine.push_back(*sample);
  }
  out.samples = 0;
  for (const std::int64_t samples : out.replica_samples) out.samples += samples;
  out.average = local_steps_ > 0 && ((step + 1) % local_steps_ == 0 || step + 1 == steps());

  const std::vector<std::int64_t> sizes = slice_sizes(static_cast<std::int64_t>(mine.size()), slices_);
  auto next = mine.begin() + sizes.front();
  for (std::size_t m = 1; m < sizes.size(); ++m) {
    out.micro_batches[m].assign(next, next + sizes[m]);
    next += sizes[m];
  }
  mine.resize(static_cast<std::size_t>(sizes.front()));
}

}  // namespace dml
