// compile() may allocate, run() may not: every operator new of this program is counted.
#include <cstdlib>
#include <gtest/gtest.h>
#include <new>

#include "kernels/reference/reference_backend.h"
#include "tests/kernels/stage_subject.h"

namespace {
std::size_t allocations = 0;
}

// g++ inlines one of the pair below, not the other, and takes free() for the wrong partner of new.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t bytes) {
  ++allocations;
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
  std::free(memory);
}

namespace dml::test {
namespace {

TEST(ReferenceAllocation, HappensWhenCompilingOnly) {
  const StageCase stage = StageBuilder("model", 3, 1, 8, 8)
                              .gather(0.5, 0.25)
                              .convolution(4, 3, 3)
                              .relu()
                              .max_pool(2, 2)
                              .linear(5)
                              .softmax_cross_entropy()
                              .build();
  const Inputs inputs = make_inputs(stage, Values::reals, 1);
  const auto backend = make_reference_backend();
  const HostBuffer values(stage.arena_elements, DType::f64);
  const HostBuffer gradients(stage.arena_elements, DType::f64);
  const HostBuffer state(stage.arena_elements, DType::f64);
  ParameterBinding binding;
  binding.values = values.view();
  binding.gradients = gradients.view();
  const DataBinding data{inputs.images, inputs.labels};
  const auto stream = backend->make_stream();

  std::size_t before = allocations;
  const auto executable = backend->compile(stage.operations, binding, data, {});
  EXPECT_GT(allocations, before) << "the counter counts nothing";
  const auto optimizer = backend->make_optimizer({}, binding, state.view(), 0, stage.arena_elements);

  before = allocations;
  for (int step = 0; step < 3; ++step) {
    executable->run(Phase::forward, *stream);
    executable->run(Phase::backward, *stream);
    executable->run(Phase::backward_accumulate, *stream);
    optimizer->run({.step = step, .samples = 3, .learning_rate = 0.1}, *stream);
  }
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace dml::test
