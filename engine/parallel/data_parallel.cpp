#include "engine/parallel/data_parallel.h"

namespace dml {
namespace {

/// Forward and backward of each micro-batch with samples; false when there is none.
bool add_compute(const StepShape& shape, Program& program) {
  bool first = true;
  for (int m = 0; m < static_cast<int>(shape.micro_batch_samples.size()); ++m) {
    if (shape.micro_batch_samples[static_cast<std::size_t>(m)] == 0) continue;
    program.push_back({.verb = Verb::forward, .micro_batch = m});
    program.push_back({.verb = first ? Verb::backward : Verb::backward_accumulate, .micro_batch = m});
    first = false;
  }
  return !first;
}

}  // namespace

Program data_parallel_step(const Topology& topology, const StepShape& shape) {
  Program program;
  if (!add_compute(shape, program)) program.push_back({.verb = Verb::clear_gradients});
  if (topology.replicas > 1) {
    for (int bucket = 0; bucket < shape.buckets; ++bucket) {
      program.push_back({.verb = Verb::reduce_gradients, .bucket = bucket});
    }
  }
  program.push_back({.verb = Verb::update});
  return program;
}

Program local_step(const Topology& topology, const StepShape& shape) {
  Program program;
  if (add_compute(shape, program)) program.push_back({.verb = Verb::update});
  for (int bucket = 0; bucket < shape.buckets && shape.average && topology.replicas > 1; ++bucket) {
    program.push_back({.verb = Verb::average_parameters, .bucket = bucket});
  }
  return program;
}

}  // namespace dml
