// The networks that the tests and the benchmark of the CPU backend train.
#pragma once

#include <cstdint>

#include "tests/kernels/stage_cases.h"

namespace dml::test {

/// Model A of the performance notes.
inline StageCase lenet(std::int64_t N) {
  return StageBuilder("lenet", N, 1, 28, 28)
      .gather(0.2860, 0.3530)
      .convolution(6, 5, 5, 1, 2)
      .relu()
      .max_pool(2, 2)
      .convolution(16, 5, 5)
      .relu()
      .max_pool(2, 2)
      .linear(120)
      .relu()
      .linear(10)
      .softmax_cross_entropy()
      .build();
}

/// Model B of the performance notes.
inline StageCase mnist_cnn(std::int64_t N) {
  return StageBuilder("mnist_cnn", N, 1, 28, 28)
      .gather(0.2860, 0.3530)
      .convolution(32, 3, 3)
      .relu()
      .convolution(64, 3, 3)
      .relu()
      .max_pool(2, 2)
      .linear(128)
      .relu()
      .linear(10)
      .softmax_cross_entropy()
      .build();
}

}  // namespace dml::test
