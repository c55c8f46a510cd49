// The seam between what is computed and how: compile once, run many times.
//
//   std::unique_ptr<Executable> e = backend.compile(operations, bindings, options);
//   e->sample_indices()[n] = ...;  e->run(Phase::forward, stream);  e->run(Phase::backward, stream);
//
// compile() may allocate, choose kernels and lay out memory; run() allocates nothing. Every backend keeps the
// same promises: parameters and gradients live in the canonical arena (fp32, or fp64 for the reference) that
// the caller owns; gradients are sums over samples; stage boundaries are NCHW; the same inputs give the same
// bits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/operation.h"
#include "kernels/base/optimizer.h"
#include "kernels/base/view.h"

namespace dml {

/// An ordered queue of work on a device. On the CPU work runs at once and the queue is always empty.
class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;
  /// Blocks the host until everything enqueued so far has finished.
  virtual void synchronize() = 0;
  /// target = source, both of the same size and type, wherever they lie. Host memory is the caller's again
  /// after synchronize().
  virtual void copy(View source, View target) = 0;
  /// target = 0.
  virtual void clear(View target) = 0;
};

/// Work on host memory, done when the call returns.
class HostStream final : public Stream {
 public:
  void synchronize() override {}
  void copy(View source, View target) override;
  void clear(View target) override;
};

/// Memory that a backend allocated, zero at first; freed with its last copy.
struct Buffer {
  View view;
  std::shared_ptr<void> owner;
};

/// The parameters of a model as kernels see them. Owned by the engine, shared by all executables of a rank.
/// Whoever writes `values` increments `version`; an executable that keeps packed copies of weights compares
/// the version before it uses them and packs again when it is behind.
struct ParameterBinding {
  View values;     ///< the canonical arena
  View gradients;  ///< same layout as values
  std::uint64_t version = 1;
  std::shared_ptr<void> packed;  ///< a backend's own cache of packed weights, shared by its executables
};

/// The resident data set that GatherNormalize and SoftmaxCrossEntropy read; may be empty for stages without
/// them.
struct DataBinding {
  std::span<const std::uint8_t> images;         ///< (samples, C, H, W)
  std::span<const std::uint8_t> labels;         ///< (samples)
  mutable std::shared_ptr<void> resident = {};  ///< a backend's own copy, shared by its executables
};

/// Which kernels may compute a convolution or a linear layer, where a backend has both.
enum class KernelChoice {
  automatic,  ///< whichever is expected to be faster
  custom,     ///< our own alone
  library     ///< oneDNN's alone (cuDNN's and cuBLASLt's where a backend offers them)
};

std::string to_string(KernelChoice choice);

struct CompileOptions {
  bool training = true;         ///< false: forward only, nothing is kept for a backward pass
  bool input_gradient = false;  ///< the stage has a predecessor that needs d(loss)/d(input)
  KernelChoice kernels = KernelChoice::automatic;
  std::int64_t window = 1;  ///< how many forward passes a StepLoop may look ahead, at most kLargestWindow
};

inline constexpr std::int64_t kLargestWindow = 128;

enum class Phase {
  forward,   ///< input (or gathered samples) -> output, or losses when the stage ends in one
  backward,  ///< output gradient (or losses) -> parameter gradients (overwritten) and input gradient
  backward_accumulate  ///< the same, adding to the parameter gradients
};

/// What the loss operation of the last forward() found.
struct LossResult {
  double loss_sum = 0;       ///< sum over the samples, not their mean
  std::int64_t correct = 0;  ///< samples whose largest logit (first on a tie) is their label
};

/// One stage compiled for one number of samples. Not thread-safe; buffers are valid as long as the
/// executable.
class Executable {
 public:
  Executable() = default;
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;
  virtual ~Executable() = default;

  virtual void run(Phase phase, Stream& stream) = 0;

  /// Which samples of the resident data set the next forward() reads: N indices, written by the caller.
  /// Read by GatherNormalize (images) and SoftmaxCrossEntropy (labels); empty when the stage has neither.
  [[nodiscard]] virtual std::span<std::int64_t> sample_indices() = 0;
  /// The stage's input (N,C,H,W), written by the caller before forward(). Empty when a gather comes first.
  [[nodiscard]] virtual View input() = 0;
  /// The stage's output (N,C,H,W) or (N,K) after forward(): logits when the stage ends in a loss.
  [[nodiscard]] virtual View output() = 0;
  /// d(loss)/d(output), written by the caller before backward(). Empty when the stage ends in a loss.
  [[nodiscard]] virtual View output_gradient() = 0;
  /// d(loss)/d(input) after backward(). Empty unless CompileOptions::input_gradient.
  [[nodiscard]] virtual View input_gradient() = 0;
  /// Valid after forward() of a stage that ends in a loss; waits for the device where there is one.
  [[nodiscard]] virtual LossResult loss() = 0;
  /// Names the first layer whose activations of the last forward() hold a NaN or an infinity; empty if none.
  [[nodiscard]] virtual std::string first_non_finite_layer() = 0;
  /// Whether output() is free of NaN and infinity.
  [[nodiscard]] virtual bool output_is_finite() = 0;
  /// What runs, one line an operation: "conv1+relu: jit:avx512_core", for `--explain-kernels` and logs.
  [[nodiscard]] virtual std::string description() const = 0;
};

/// One thing that each step of a StepLoop does.
struct StepPart {
  enum class Kind { forward, backward, backward_accumulate, update, other };
  Kind kind = Kind::other;
  Executable* executable = nullptr;  ///< of forward and backward
  /// What `other` puts on the stream, the same in every step: a message between ranks, for example. It may
  /// be recorded instead of run, and must not wait for the device.
  std::function<void(Stream&)> enqueue = {};
  bool timed = false;  ///< of `other`: StepLoopResult says when it began and ended
};

struct StepLoopResult {
  std::vector<LossResult> losses;  ///< of each step, over all its forward passes; 0 where no loss is computed
  /// Of each step when it began, then when each timed part began and ended; at last when all was done. In
  /// nanoseconds on a clock of the device's own. Empty when no part is timed.
  std::vector<std::int64_t> times;
};

/// Whole training steps, one after the other without the host in between.
class StepLoop {
 public:
  StepLoop() = default;
  StepLoop(const StepLoop&) = delete;
  StepLoop& operator=(const StepLoop&) = delete;
  virtual ~StepLoop() = default;
  [[nodiscard]] virtual std::int64_t largest_window() const = 0;
  /// At most largest_window() steps. `samples` holds, step by step, the sample indices of every forward pass
  /// that reads any, in the order of the parts. Waits for the device. A loss that is not finite stops
  /// nothing: what follows it is of no use.
  virtual StepLoopResult run(std::span<const StepState> steps, std::span<const std::int64_t> samples,
                             Stream& stream) = 0;
};

/// One kind of device with its kernels.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  [[nodiscard]] virtual std::string name() const = 0;
  /// The type of activations, parameters and gradients: f32, or f64 for the reference.
  [[nodiscard]] virtual DType dtype() const = 0;
  /// Where parameters, gradients, optimizer state and the views of executables lie.
  [[nodiscard]] virtual Memory memory() const { return Memory::host; }
  [[nodiscard]] virtual std::unique_ptr<Stream> make_stream() { return std::make_unique<HostStream>(); }
  /// `elements` of dtype() in memory(); `purpose` is for the error when there is no room ("gradients").
  [[nodiscard]] virtual Buffer allocate(std::int64_t elements, const std::string& purpose);
  /// Host memory that copies to and from memory() are fast with, not initialised.
  [[nodiscard]] virtual Buffer allocate_staging(std::int64_t bytes);
  /// sum[i] = copies[i] + copies[n + i] + ..., n = sum.elements, added in this order.
  virtual void sum_copies(View copies, View sum, Stream& stream);
  /// values[i] *= factor, both in dtype().
  virtual void scale(View values, double factor, Stream& stream);
  /// `bindings` and `data` must outlive the executable. Throws UsageError naming layer and rule when an
  /// operation has a shape that no kernel supports.
  [[nodiscard]] virtual std::unique_ptr<Executable> compile(std::span<const Operation> operations,
                                                            ParameterBinding& parameters,
                                                            const DataBinding& data,
                                                            const CompileOptions& options) = 0;
  /// Compiles the update of `parameters` [first, first + count) from its gradients. `state` holds
  /// optimizer_state_slots(options) * parameters.values.elements elements, zero before the first update; slot
  /// s of parameter i is state[s * parameters.values.elements + i].
  [[nodiscard]] virtual std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                                                  ParameterBinding& parameters, View state,
                                                                  std::int64_t first, std::int64_t count) = 0;
  /// A loop over steps of these parts. Executables, compiled with a window of kLargestWindow, and optimizer
  /// are this backend's and outlive it. `replayed` is called when recorded steps were enqueued once more. The
  /// first step is never a recorded one. Null where run() after run() is as good, or where an executable is
  /// asked for the backward pass of another forward pass than its last.
  [[nodiscard]] virtual std::unique_ptr<StepLoop> make_step_loop(
      const std::vector<StepPart>& /*parts*/, Optimizer& /*optimizer*/,
      const std::function<void(Stream&)>& /*replayed*/ = {}) {
    return nullptr;
  }
};

}  // namespace dml
