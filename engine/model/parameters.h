// The canonical parameter arena of a model: which tensor lies where, and how it starts.
//
// All parameters lie in one flat run, layer by layer, weight before bias: convolution weights (K,C,R,S),
// linear weights (K,C), biases (K). This is what is saved, hashed, communicated and compared, on every
// backend.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/spec.h"
#include "kernels/base/view.h"

namespace dml {

struct ParameterTensor {
  std::string name;  ///< "conv1.weight", as torch.nn names it
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  ///< elements from the start of the arena
  std::int64_t elements = 0;
  std::int64_t fan_in = 0;  ///< inputs of one output: what PyTorch's initialisation scales with
  int layer = 0;
};

/// Elements [first, first + count) of the arena.
struct ParameterRange {
  std::int64_t first = 0, count = 0;
};

class ParameterLayout {
 public:
  explicit ParameterLayout(const ModelSpec& model);

  [[nodiscard]] const std::vector<ParameterTensor>& tensors() const { return tensors_; }
  [[nodiscard]] std::int64_t elements() const { return elements_; }
  /// The weight and the bias of a layer.
  [[nodiscard]] const ParameterTensor& weight(int layer) const;
  [[nodiscard]] const ParameterTensor& bias(int layer) const;
  /// The parameters of layers [first, last).
  [[nodiscard]] ParameterRange range(int first_layer, int last_layer) const;

 private:
  std::vector<ParameterTensor> tensors_;  // weight and bias of layer i are elements 2 i and 2 i + 1
  std::int64_t elements_ = 0;
};

/// PyTorch's default initialisation of Conv2d and Linear (kaiming_uniform with a = sqrt(5), which is
/// U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases alike), drawn from Philox: a pure function of
/// the seed and the position in the arena, independent of ranks and of the type of the arena (values are
/// fp32).
void initialise_parameters(const ParameterLayout& layout, std::uint64_t seed, View arena);

/// "xxh3:..." over the values as fp32, in arena order with tensor names: equal hashes mean equal models.
std::string hash_parameters(const ParameterLayout& layout, View arena);

}  // namespace dml
