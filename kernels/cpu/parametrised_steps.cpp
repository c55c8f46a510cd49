// Convolution and linear layers on oneDNN.
//
//   convolution  y = x * w + b     dw = x * dy,    db = sum dy,  dx = dy * w^T
//   linear       y = x w^T + b     dw = dy^T x,    db = sum dy,  dx = dy w
// A ReLU that follows is not a post-op of these primitives: oneDNN's turns NaN into 0, which would hide a
// diverged run from the loss. It is fused with the max pool behind it instead, or runs in place.
#include <array>

#include "kernels/cpu/candidates.h"

namespace dml::cpu {
namespace {

/// The source of a primitive: converted to its layout, and flattened where a linear layer reads an image.
class SourceConversion {
 public:
  SourceConversion() = default;
  SourceConversion(StageContext& stage, const dnnl::memory& source, const dnnl::memory::desc& wanted) {
    const dnnl::memory::dims dims = dims_of(source.get_desc());
    const bool flattens = dims != dims_of(wanted);
    conversion_ = Conversion(stage, source, flattens ? plain_layout(dims) : wanted);
    result_ = flattens ? reinterpret(conversion_.result(), wanted) : conversion_.result();
  }
  void run(const dnnl::stream& stream) const { conversion_.run(stream); }
  [[nodiscard]] const dnnl::memory& result() const { return result_; }
  [[nodiscard]] bool needed() const { return conversion_.needed(); }

 private:
  Conversion conversion_;
  dnnl::memory result_;
};

/// A convolution or a linear layer: they differ in their shape and in how their primitives are made.
template <class Shape>
class ParametrisedStep final : public Step {
 public:
  ParametrisedStep(StageContext& stage, const Operation& operation, const char* kind, const Shape& shape,
                   std::int64_t weight_offset, std::int64_t bias_offset)
      : Step(operation),
        stage_(stage),
        kind_(kind),
        shape_(shape),
        weight_offset_(weight_offset),
        bias_offset_(bias_offset),
        source_(stage.current) {
    const Primitive forward = make_forward(stage.onednn, shape, stage.training);
    forward_source_ = SourceConversion(stage, source_, forward.source);
    forward_weights_ = stage.packed.get(stage.onednn, stage.parameters, weight_offset, forward.weights);
    const auto bias = stage.packed.get(stage.onednn, stage.parameters, bias_offset, plain_layout({shape.K}));
    output_ = allocate(stage.onednn, forward.destination);
    forward_ =
        Call(forward, {{DNNL_ARG_SRC, forward_source_.result()},
                       {DNNL_ARG_WEIGHTS, forward_weights_->memory()},
                       {DNNL_ARG_BIAS, bias->memory()},
                       {DNNL_ARG_DST, output_},
                       {DNNL_ARG_SCRATCHPAD, stage.scratchpad.reserve(stage.onednn, forward.scratchpad)}});
    description_ = kind_ + " forward: " + forward.implementation;
    if (forward_source_.needed()) description_ += " after a reorder";
  }

  void forward() override {
    const dnnl::stream& stream = stage_.onednn.stream;
    forward_source_.run(stream);
    forward_weights_->refresh(stage_.parameters.version, stream);
    forward_.run(stream);
  }

  dnnl::memory compile_backward(const dnnl::memory& output_gradient, bool want_input_gradient) override {
    const Onednn& onednn = stage_.onednn;
    const Primitive weights = make_backward_weights(onednn, shape_);
    const dnnl::memory scratch = stage_.scratchpad.reserve(onednn, weights.scratchpad);
    weights_gradient_ = Conversion(stage_, output_gradient, weights.destination);
    weight_sink_ = GradientSink(stage_, weight_offset_, weights.weights);
    bias_sink_ = GradientSink(stage_, bias_offset_, plain_layout({shape_.K}));
    // Where forward() has made the layout that is wanted here, it is still there.
    dnnl::memory source = forward_source_.result();
    if (source.get_desc() != weights.source) {
      weights_source_ = SourceConversion(stage_, source_, weights.source);
      source = weights_source_.result();
    }
    for (const bool accumulate : {false, true}) {
      backward_weights_.at(accumulate ? 1 : 0) =
          Call(weights, {{DNNL_ARG_SRC, source},
                         {DNNL_ARG_DIFF_DST, weights_gradient_.result()},
                         {DNNL_ARG_DIFF_WEIGHTS, weight_sink_.target(accumulate)},
                         {DNNL_ARG_DIFF_BIAS, bias_sink_.target(accumulate)},
                         {DNNL_ARG_SCRATCHPAD, scratch}});
    }
    description_ += "; weight gradient: " + weights.implementation;
    if (!want_input_gradient) return {};

    const Primitive data = make_backward_data(onednn, shape_);
    data_gradient_ = Conversion(stage_, output_gradient, data.destination);
    data_weights_ = stage_.packed.get(onednn, stage_.parameters, weight_offset_, data.weights);
    const dnnl::memory input_gradient = allocate(onednn, data.source);
    backward_data_ = Call(data, {{DNNL_ARG_DIFF_DST, data_gradient_.result()},
                                 {DNNL_ARG_WEIGHTS, data_weights_->memory()},
                                 {DNNL_ARG_DIFF_SRC, input_gradient},
                                 {DNNL_ARG_SCRATCHPAD, stage_.scratchpad.reserve(onednn, data.scratchpad)}});
    description_ += "; input gradient: " + data.implementation;
    const dnnl::memory::dims dims = dims_of(source_.get_desc());
    return dims == dims_of(data.source) ? input_gradient : reinterpret(input_gradient, plain_layout(dims));
  }

  void backward(bool accumulate) override {
    const dnnl::stream& stream = stage_.onednn.stream;
    weights_source_.run(stream);
    weights_gradient_.run(stream);
    backward_weights_.at(accumulate ? 1 : 0).run(stream);
    weight_sink_.deliver(accumulate, stream);
    bias_sink_.deliver(accumulate, stream);
    if (!data_weights_) return;
    data_gradient_.run(stream);
    data_weights_->refresh(stage_.parameters.version, stream);
    backward_data_.run(stream);
  }

  [[nodiscard]] bool has_parameters() const override { return true; }
  [[nodiscard]] std::string description() const override { return description_; }

 private:
  StageContext& stage_;
  std::string kind_;
  Shape shape_;
  std::int64_t weight_offset_, bias_offset_;
  dnnl::memory source_;
  std::string description_;

  SourceConversion forward_source_;
  std::shared_ptr<PackedWeight> forward_weights_;
  Call forward_;

  SourceConversion weights_source_;
  Conversion weights_gradient_;
  GradientSink weight_sink_, bias_sink_;
  std::array<Call, 2> backward_weights_;  ///< replacing, adding

  Conversion data_gradient_;
  std::shared_ptr<PackedWeight> data_weights_;  ///< null when no input gradient is wanted
  Call backward_data_;
};

/// One operation of this kind, whatever its shape.
template <class Work>
std::size_t claims(std::span<const Operation> operations) {
  return front_as<Work>(operations) != nullptr ? 1 : 0;
}

}  // namespace

StageCandidate onednn_convolution() {
  return {"convolution", claims<Convolution>,
          [](std::span<const Operation> claimed, StageContext& stage) {
            const auto& work = std::get<Convolution>(claimed.front().work);
            return make_step<ParametrisedStep<ConvolutionShape>>(
                stage, claimed.front(), "convolution", work.shape, work.weight_offset, work.bias_offset);
          },
          Origin::library};
}

StageCandidate onednn_linear() {
  return {"linear", claims<Linear>,
          [](std::span<const Operation> claimed, StageContext& stage) {
            const auto& work = std::get<Linear>(claimed.front().work);
            return make_step<ParametrisedStep<LinearShape>>(stage, claimed.front(), "linear", work.shape,
                                                            work.weight_offset, work.bias_offset);
          },
          Origin::library};
}

}  // namespace dml::cpu
