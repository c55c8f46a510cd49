// One compiled operation, or several fused ones, of a stage on a device.
//
// Steps are chained through activations: values in NCHW order and, beside them, d(loss)/d(values). forward()
// reads the values of its input and overwrites those of its output; backward() reads the gradient of its
// output and overwrites that of its input, unless nobody needs it (null). All of it is enqueued on one
// stream, so that one scratch memory serves all steps.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/base/backend.h"
#include "kernels/base/lowering.h"
#include "kernels/cuda/problems.h"

namespace dml::DML_DEVICE {

/// Device memory of `elements` floats each; a null gradient is not needed.
struct Activation {
  float* values = nullptr;
  float* gradient = nullptr;
  std::int64_t elements = 0;

  [[nodiscard]] View values_view() const { return {values, elements, DType::f32, Memory::device}; }
  [[nodiscard]] View gradient_view() const {
    return {gradient, gradient == nullptr ? 0 : elements, DType::f32, Memory::device};
  }
};

class Step {
 public:
  Step(const Operation& operation, std::string description, Activation output)
      : layer_(operation.layer), description_(std::move(description)), output_(output) {}
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  virtual ~Step() = default;

  virtual void forward(DeviceStream& stream) = 0;
  /// `accumulate`: parameter gradients are added to instead of overwritten.
  virtual void backward(bool accumulate, DeviceStream& stream) = 0;

  [[nodiscard]] const std::string& layer() const { return layer_; }
  /// The kernels that run: "conv2d_direct + relu + pool".
  [[nodiscard]] const std::string& description() const { return description_; }
  [[nodiscard]] const Activation& output() const { return output_; }

 private:
  std::string layer_;
  std::string description_;
  Activation output_;
};

/// What the steps of one stage share; the Context of the lowering. Steps keep references to it.
struct StageContext {
  using Kernel = Step;

  Device& device;
  ParameterBinding& parameters;
  const CompileOptions& options;
  GatheredInput gathered;                ///< the resident data set, as this stage reads it
  const std::uint8_t* labels = nullptr;  ///< (samples of the data set)
  LossSlot* loss = nullptr;              ///< where the loss goes; on the device
  Activation last = {};  ///< what the step before the next one writes; the stage's input at first
  std::vector<DeviceMemory> memory = {};
  std::int64_t workspace_elements = 0;
  float* workspace = nullptr;  ///< set when all steps are made

  /// Memory that lives as long as the stage.
  template <class T>
  T* allocate(std::int64_t elements, const std::string& purpose) {
    memory.emplace_back(device, static_cast<std::size_t>(elements) * sizeof(T), purpose);
    return static_cast<T*>(memory.back().data());
  }
  /// An activation; its gradient exists only where the stage is trained and `needs_gradient`.
  Activation allocate_activation(std::int64_t elements, bool needs_gradient, const std::string& layer) {
    return {allocate<float>(elements, "activations of " + layer),
            options.training && needs_gradient ? allocate<float>(elements, "gradients of " + layer) : nullptr,
            elements};
  }
  /// Before the steps run there will be at least so much scratch memory.
  void reserve_workspace(std::int64_t elements) {
    workspace_elements = std::max(workspace_elements, elements);
  }

  [[nodiscard]] const float* parameter(std::int64_t offset) const {
    return static_cast<const float*>(parameters.values.data) + offset;
  }
  [[nodiscard]] float* parameter_gradient(std::int64_t offset) const {
    return static_cast<float*>(parameters.gradients.data) + offset;
  }
};

using StageCandidate = Candidate<StageContext>;

// The candidates, each in the file of its name; fused ones first in device_executable.cpp's list.
StageCandidate gathered_window_convolution();  ///< gather + convolution (+ ReLU) (+ 2x2 max pool)
StageCandidate window_convolution();           ///< convolution (+ ReLU) (+ 2x2 max pool)
StageCandidate gathered_direct_convolution();  ///< the same by other kernels
StageCandidate direct_convolution();
StageCandidate tiled_convolution();  ///< convolution (+ ReLU)
StageCandidate linear_layer();       ///< linear (+ ReLU)
StageCandidate gather();
StageCandidate relu();
StageCandidate max_pool();
StageCandidate loss();

}  // namespace dml::DML_DEVICE
