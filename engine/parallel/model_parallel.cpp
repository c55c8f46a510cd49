#include "engine/parallel/model_parallel.h"

namespace dml {
namespace {

/// Writes the actions of one rank of a pipeline.
class StageProgram {
 public:
  StageProgram(const Topology& topology, int rank) : topology_(topology), rank_(rank) {}

  void forward(int micro_batch, int slot) {
    if (!topology_.is_first_stage(rank_)) add(Verb::receive_activation, micro_batch, slot, rank_ - 1);
    add(Verb::forward, micro_batch, slot);
    if (!topology_.is_last_stage(rank_)) add(Verb::send_activation, micro_batch, slot, rank_ + 1);
  }

  void backward(int micro_batch, int slot) {
    if (!topology_.is_last_stage(rank_)) add(Verb::receive_gradient, micro_batch, slot, rank_ + 1);
    add(gradients_written_ ? Verb::backward_accumulate : Verb::backward, micro_batch, slot);
    gradients_written_ = true;
    if (!topology_.is_first_stage(rank_)) add(Verb::send_gradient, micro_batch, slot, rank_ - 1);
  }

  Program finish() {
    if (!gradients_written_) add(Verb::clear_gradients, 0, 0);
    add(Verb::update, 0, 0);
    return std::move(program_);
  }

  Program take() { return std::move(program_); }

 private:
  void add(Verb verb, int micro_batch, int slot, int peer = -1) {
    program_.push_back({.verb = verb, .micro_batch = micro_batch, .slot = slot, .peer = peer});
  }

  const Topology& topology_;
  int rank_;
  bool gradients_written_ = false;
  Program program_;
};

std::vector<int> non_empty(std::span<const std::int64_t> sizes) {
  std::vector<int> micro_batches;
  for (std::size_t m = 0; m < sizes.size(); ++m) {
    if (sizes[m] > 0) micro_batches.push_back(static_cast<int>(m));
  }
  return micro_batches;
}

}  // namespace

Program model_parallel_step(Schedule schedule, const Topology& topology, int rank, const StepShape& shape) {
  StageProgram program(topology, rank);
  const std::vector<int> micro_batches = non_empty(shape.micro_batch_samples);
  switch (schedule) {
    case Schedule::sequential:
      for (const int m : micro_batches) {
        program.forward(m, 0);
        program.backward(m, 0);
      }
      break;
    case Schedule::gpipe:
      for (const int m : micro_batches) program.forward(m, m);
      for (const int m : micro_batches) program.backward(m, m);
      break;
  }
  return program.finish();
}

Program inference_step(const Topology& topology, int rank) {
  StageProgram program(topology, rank);
  program.forward(0, 0);
  return program.take();
}

}  // namespace dml
