// One compiled operation, or several fused ones, of a stage on the CPU.
//
// Steps are chained through oneDNN memories: the output of one is the source of the next, in whatever layout
// its producer liked best; a step that needs another one converts. Gradients travel back the same way.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "kernels/base/backend.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/packed_weights.h"

namespace dml::cpu {

class Step;
class LossStep;

/// What the steps of one executable share while they are compiled and afterwards; the Context of the
/// lowering.
struct StageContext {
  using Kernel = Step;

  const Onednn& onednn;
  ParameterBinding& parameters;
  const DataBinding& data;
  PackedWeights& packed;
  Scratchpad& scratchpad;
  std::span<const std::int64_t> sample_indices;
  bool training;
  int threads;

  dnnl::memory current;      ///< the output of the step compiled last; the input of the stage at first
  bool current_is_input;     ///< it belongs to the caller
  LossStep* loss = nullptr;  ///< the step that ends the stage, where it ends in a loss
};

class Step {
 public:
  explicit Step(const Operation& operation) : layer_(operation.layer) {}
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  virtual ~Step() = default;

  virtual void forward() = 0;
  /// Reads the output gradient, writes the input gradient if compiled to, and overwrites or adds to the
  /// gradients of its parameters.
  virtual void backward(bool accumulate) = 0;
  /// Prepares backward() for an output gradient that will lie in `output_gradient`. Returns where
  /// d(loss)/d(input) will be; an empty memory when it is not wanted.
  virtual dnnl::memory compile_backward(const dnnl::memory& output_gradient, bool want_input_gradient) = 0;
  [[nodiscard]] virtual bool has_parameters() const { return false; }
  /// Operation and implementation: "relu+max-pool: avx512".
  [[nodiscard]] virtual std::string description() const = 0;

  /// The layer it belongs to: "conv1".
  [[nodiscard]] const std::string& layer() const { return layer_; }
  [[nodiscard]] const dnnl::memory& output() const { return output_; }

 protected:
  dnnl::memory output_;

 private:
  std::string layer_;
};

/// The end of a stage. forward() finds the losses and, when training, the gradient of the logits as well.
class LossStep : public Step {
 public:
  using Step::Step;
  [[nodiscard]] virtual LossResult result() const = 0;
};

/// A copy into another layout; nothing when source and target layout agree. Between plain and lanes our own
/// kernels transpose, everything else is a reorder of oneDNN's.
class Conversion {
 public:
  Conversion() = default;
  Conversion(StageContext& stage, const dnnl::memory& source, const dnnl::memory::desc& wanted);
  void run(const dnnl::stream& stream) const;
  [[nodiscard]] const dnnl::memory& result() const { return result_; }
  [[nodiscard]] bool needed() const { return kind_ != Kind::nothing; }

 private:
  enum class Kind { nothing, to_plain, to_lanes, reorder };
  void transpose() const;

  dnnl::memory source_, result_;
  Call call_;
  Kind kind_ = Kind::nothing;
  std::int64_t samples_ = 0;
};

/// A gradient of parameters on its way from a primitive's layout to the canonical arena, replacing or adding.
class GradientSink {
 public:
  GradientSink() = default;
  /// `offset` names the parameters in the arena, `layout` what the primitive writes.
  GradientSink(StageContext& stage, std::int64_t offset, const dnnl::memory::desc& layout);
  /// Where the primitive must write when it replaces (the arena itself where layouts agree), or when it adds.
  [[nodiscard]] const dnnl::memory& target(bool accumulate) const { return accumulate ? staging_ : direct_; }
  /// Moves what was written to the arena.
  void deliver(bool accumulate, const dnnl::stream& stream) const;

 private:
  dnnl::memory direct_, staging_;
  Call unpack_to_arena_, unpack_;
  bool is_canonical_ = true;
  std::span<float> arena_;
  std::span<const float> addend_;  ///< the staged gradient in canonical order
  dnnl::memory canonical_;         ///< owns addend_ where staging_ is packed
};

inline bool is_empty(const dnnl::memory& memory) {
  return memory.get(true) == nullptr;
}
inline float* floats(const dnnl::memory& memory) {
  return static_cast<float*>(memory.get_data_handle());
}
inline std::int64_t float_count(const dnnl::memory& memory) {
  return static_cast<std::int64_t>(memory.get_desc().get_size() / sizeof(float));
}

}  // namespace dml::cpu
