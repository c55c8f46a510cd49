// Convolutions: window kernels for 3x3 and 5x5 at stride 1, direct ones for other filters over few channels,
// tiled ones elsewhere, with what they fuse.
#include "kernels/cuda/conv2d_direct.h"
#include "kernels/cuda/conv2d_tiled.h"
#include "kernels/cuda/conv2d_window.h"
#include "kernels/cuda/step.h"

namespace dml::DML_DEVICE {
namespace {

/// A run of operations that begins with a convolution.
struct ConvolutionRun {
  const Convolution* convolution = nullptr;
  bool relu = false;
  bool pool = false;  ///< 2x2 with stride 2
  std::size_t operations = 0;
};

template <class Work>
const Work* work_at(std::span<const Operation> operations, std::size_t i) {
  return i < operations.size() ? std::get_if<Work>(&operations[i].work) : nullptr;
}

/// The longest run at the front of `operations`; one without a pool when `may_pool` is false.
ConvolutionRun run_at_front(std::span<const Operation> operations, bool may_pool) {
  ConvolutionRun run;
  run.convolution = work_at<Convolution>(operations, 0);
  if (run.convolution == nullptr) return run;
  run.operations = 1;
  if (work_at<Relu>(operations, run.operations) != nullptr) {
    run.relu = true;
    ++run.operations;
  }
  const auto* pool = work_at<MaxPool>(operations, run.operations);
  if (may_pool && pool != nullptr && pool->shape.window == 2 && pool->shape.stride == 2) {
    run.pool = true;
    ++run.operations;
  }
  return run;
}

/// Kernels that fuse a 2x2 max pool and read the data set by themselves.
struct FusingKernels {
  const char *name, *gathered_name;
  bool (*supports)(const ConvolutionShape& shape, bool pooled);
  std::int64_t (*workspace)(const ConvolutionShape& shape);
  void (*forward)(const ConvolutionShape& shape, const ConvolutionInput& input, const float* weight,
                  const float* bias, const ConvolutionOutput& output, DeviceStream& stream);
  void (*input_gradient)(const ConvolutionShape& shape, const ConvolutionOutputGradient& gradient,
                         const float* weight, float* dx, DeviceStream& stream);
  void (*weight_gradient)(const ConvolutionShape& shape, const ConvolutionInput& input,
                          const ConvolutionOutputGradient& gradient, float* dweight, float* dbias,
                          bool accumulate, float* workspace, DeviceStream& stream);
};

constexpr FusingKernels kWindow{"conv2d_window",
                                "gather + conv2d_window",
                                supports_conv2d_window,
                                conv2d_window_weight_gradient_workspace,
                                conv2d_window_forward,
                                conv2d_window_input_gradient,
                                conv2d_window_weight_gradient};
constexpr FusingKernels kDirect{"conv2d_direct",
                                "gather + conv2d_direct",
                                supports_conv2d_direct,
                                conv2d_direct_weight_gradient_workspace,
                                conv2d_direct_forward,
                                conv2d_direct_input_gradient,
                                conv2d_direct_weight_gradient};

/// The run that these kernels take, with a pool if they can; none when they do not take the convolution.
ConvolutionRun run_of(const FusingKernels& kernels, std::span<const Operation> operations) {
  for (const bool may_pool : {true, false}) {
    const ConvolutionRun run = run_at_front(operations, may_pool);
    if (run.convolution == nullptr) break;
    if (kernels.supports(run.convolution->shape, run.pool)) return run;
  }
  return {};
}

std::string describe_run(const std::string& kernels, const ConvolutionRun& run) {
  return kernels + (run.relu ? " + relu" : "") + (run.pool ? " + pool" : "");
}

std::int64_t output_elements(const ConvolutionRun& run) {
  DML_ASSERT(run.convolution != nullptr, "a run without a convolution");
  const ConvolutionShape& s = run.convolution->shape;
  return run.pool ? s.N * s.K * (s.P() / 2) * (s.Q() / 2) : s.output_elements();
}

class FusedConvolutionStep final : public Step {
 public:
  /// `gathered` reads the data set instead of the activation before it.
  FusedConvolutionStep(const FusingKernels& kernels, const Operation& operation, const ConvolutionRun& run,
                       bool gathered, StageContext& stage)
      : Step(operation, describe_run(gathered ? kernels.gathered_name : kernels.name, run),
             stage.allocate_activation(output_elements(run), true, operation.layer)),
        kernels_(kernels),
        stage_(stage),
        convolution_(*run.convolution),
        x_(gathered ? Activation{} : stage.last),
        relu_(run.relu) {
    if (gathered) {
      input_.gathered = stage.gathered;
    } else {
      input_.x = x_.values;
    }
    if (run.pool)
      argmax_ = stage.allocate<std::uint8_t>(conv2d_argmax_bytes(convolution_.shape), "argmax of " + layer());
    if (stage.options.training) stage.reserve_workspace(kernels_.workspace(convolution_.shape));
    stage.last = output();
  }

  void forward(DeviceStream& stream) override {
    kernels_.forward(convolution_.shape, input_, stage_.parameter(convolution_.weight_offset),
                     stage_.parameter(convolution_.bias_offset), {output().values, relu_, argmax_}, stream);
  }

  void backward(bool accumulate, DeviceStream& stream) override {
    const ConvolutionOutputGradient gradient{output().gradient, relu_ ? output().values : nullptr, argmax_};
    kernels_.weight_gradient(
        convolution_.shape, input_, gradient, stage_.parameter_gradient(convolution_.weight_offset),
        stage_.parameter_gradient(convolution_.bias_offset), accumulate, stage_.workspace, stream);
    if (x_.gradient == nullptr) return;
    kernels_.input_gradient(convolution_.shape, gradient, stage_.parameter(convolution_.weight_offset),
                            x_.gradient, stream);
  }

 private:
  const FusingKernels& kernels_;
  StageContext& stage_;
  Convolution convolution_;
  Activation x_;
  ConvolutionInput input_;
  bool relu_;
  std::uint8_t* argmax_ = nullptr;
};

class TiledConvolutionStep final : public Step {
 public:
  TiledConvolutionStep(const Operation& operation, const ConvolutionRun& run, StageContext& stage)
      : Step(operation, describe_run("conv2d_tiled", run),
             stage.allocate_activation(output_elements(run), true, operation.layer)),
        stage_(stage),
        convolution_(*run.convolution),
        x_(stage.last),
        relu_(run.relu) {
    const ConvolutionShape& shape = convolution_.shape;
    stage.reserve_workspace(conv2d_tiled_forward_workspace(shape));
    if (stage.options.training) {
      stage.reserve_workspace(conv2d_tiled_weight_gradient_workspace(shape));
      stage.reserve_workspace(conv2d_tiled_input_gradient_workspace(shape));
    }
    stage.last = output();
  }

  void forward(DeviceStream& stream) override {
    conv2d_tiled_forward(convolution_.shape, x_.values, stage_.parameter(convolution_.weight_offset),
                         stage_.parameter(convolution_.bias_offset), {output().values, relu_, nullptr},
                         stage_.workspace, stream);
  }

  void backward(bool accumulate, DeviceStream& stream) override {
    const ConvolutionOutputGradient gradient{output().gradient, relu_ ? output().values : nullptr, nullptr};
    conv2d_tiled_weight_gradient(
        convolution_.shape, x_.values, gradient, stage_.parameter_gradient(convolution_.weight_offset),
        stage_.parameter_gradient(convolution_.bias_offset), accumulate, stage_.workspace, stream);
    if (x_.gradient == nullptr) return;
    conv2d_tiled_input_gradient(convolution_.shape, gradient, stage_.parameter(convolution_.weight_offset),
                                x_.gradient, stage_.workspace, stream);
  }

 private:
  StageContext& stage_;
  Convolution convolution_;
  Activation x_;
  bool relu_;
};

ConvolutionRun tiled_run(std::span<const Operation> operations) {
  const ConvolutionRun run = run_at_front(operations, false);
  const bool supported =
      run.convolution != nullptr && conv2d_tiled_broken_rule(run.convolution->shape).empty();
  return supported ? run : ConvolutionRun{};
}

template <const FusingKernels& kKernels, bool kGathered>
ConvolutionRun fused_run(std::span<const Operation> operations) {
  if constexpr (!kGathered) return run_of(kKernels, operations);
  return work_at<GatherNormalize>(operations, 0) != nullptr ? run_of(kKernels, operations.subspan(1))
                                                            : ConvolutionRun{};
}

template <const FusingKernels& kKernels, bool kGathered>
StageCandidate fused_convolution() {
  return {kGathered ? kKernels.gathered_name : kKernels.name,
          [](std::span<const Operation> operations) -> std::size_t {
            const ConvolutionRun run = fused_run<kKernels, kGathered>(operations);
            return run.operations == 0 ? 0 : run.operations + (kGathered ? 1 : 0);
          },
          [](std::span<const Operation> claimed, StageContext& stage) -> std::unique_ptr<Step> {
            return std::make_unique<FusedConvolutionStep>(kKernels, claimed[kGathered ? 1 : 0],
                                                          fused_run<kKernels, kGathered>(claimed), kGathered,
                                                          stage);
          },
          Origin::custom};
}

}  // namespace

StageCandidate gathered_window_convolution() {
  return fused_convolution<kWindow, true>();
}
StageCandidate window_convolution() {
  return fused_convolution<kWindow, false>();
}
StageCandidate gathered_direct_convolution() {
  return fused_convolution<kDirect, true>();
}
StageCandidate direct_convolution() {
  return fused_convolution<kDirect, false>();
}

StageCandidate tiled_convolution() {
  return {"conv2d_tiled",
          [](std::span<const Operation> operations) { return tiled_run(operations).operations; },
          [](std::span<const Operation> claimed, StageContext& stage) -> std::unique_ptr<Step> {
            return std::make_unique<TiledConvolutionStep>(claimed.front(), tiled_run(claimed), stage);
          },
          Origin::custom,
          [](const Operation& operation) -> std::string {
            const auto* const convolution = std::get_if<Convolution>(&operation.work);
            return convolution == nullptr ? "" : conv2d_tiled_broken_rule(convolution->shape);
          }};
}

}  // namespace dml::DML_DEVICE
