#include "engine/parallel/data_parallel.h"

namespace dml {

Program data_parallel_step(const Topology& topology, const StepShape& shape) {
  Program program;
  bool first = true;
  for (int m = 0; m < static_cast<int>(shape.micro_batch_samples.size()); ++m) {
    if (shape.micro_batch_samples[static_cast<std::size_t>(m)] == 0) continue;
    program.push_back({.verb = Verb::forward, .micro_batch = m});
    program.push_back({.verb = first ? Verb::backward : Verb::backward_accumulate, .micro_batch = m});
    first = false;
  }
  if (first) program.push_back({.verb = Verb::clear_gradients});
  if (topology.replicas > 1) {
    for (int bucket = 0; bucket < shape.buckets; ++bucket) {
      program.push_back({.verb = Verb::reduce_gradients, .bucket = bucket});
    }
  }
  program.push_back({.verb = Verb::update});
  return program;
}

}  // namespace dml
