#include "engine/train/batch.h"

#include <algorithm>

#include "engine/parallel/modes.h"
#include "kernels/base/error.h"

namespace dml {

BatchSequence::BatchSequence(SampleOrder order, std::int64_t batch, int replicas, int replica, int slices)
    : order_(std::move(order)), batch_(batch), replicas_(replicas), replica_(replica), slices_(slices) {
  DML_ASSERT(batch >= 1 && replicas >= 1 && replica >= 0 && replica < replicas && slices >= 1,
             "an impossible batch");
}

void BatchSequence::take(std::int64_t step, StepBatch& out) const {
  DML_ASSERT(step >= 0 && step < steps(), "a step outside the epoch");
  out.replica_samples.assign(static_cast<std::size_t>(replicas_), 0);
  out.micro_batches.resize(static_cast<std::size_t>(slices_));
  for (auto& indices : out.micro_batches) indices.clear();

  std::vector<std::int64_t>& mine = out.micro_batches.front();  // all of them first, then dealt out
  const std::int64_t end = std::min((step + 1) * batch_, order_.length);
  for (std::int64_t position = step * batch_; position < end; ++position) {
    if (order_.holds && !order_.holds(position)) continue;
    const auto owner = static_cast<std::size_t>(position % replicas_);
    ++out.replica_samples[owner];
    if (owner != static_cast<std::size_t>(replica_)) continue;
    const std::optional<std::int64_t> sample = order_.sample(position);
    DML_ASSERT(sample.has_value(), "an order that holds a sample and has none");
    mine.push_back(*sample);
  }
  out.samples = 0;
  for (const std::int64_t samples : out.replica_samples) out.samples += samples;

  const std::vector<std::int64_t> sizes = slice_sizes(static_cast<std::int64_t>(mine.size()), slices_);
  auto next = mine.begin() + sizes.front();
  for (std::size_t m = 1; m < sizes.size(); ++m) {
    out.micro_batches[m].assign(next, next + sizes[m]);
    next += sizes[m];
  }
  mine.resize(static_cast<std::size_t>(sizes.front()));
}

}  // namespace dml
