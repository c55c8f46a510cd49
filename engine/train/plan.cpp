#include "engine/train/plan.h"

namespace dml {
namespace {

/// Appends the operations of one layer; `input` is the shape of one sample at its input.
class LayerLowering {
 public:
  LayerLowering(std::vector<Operation>& operations, const ParameterLayout& layout, int layer,
                std::int64_t samples, const ActivationShape& input)
      : operations_(operations),
        weight_(layout.weight(layer).offset),
        bias_(layout.bias(layer).offset),
        N_(samples),
        input_(input) {}

  void operator()(const ConvolutionLayer& layer) const {
    const ConvolutionShape shape{.N = N_,
                                 .C = input_.C,
                                 .H = input_.H,
                                 .W = input_.W,
                                 .K = layer.out_channels,
                                 .R = layer.kernel,
                                 .S = layer.kernel,
                                 .stride = layer.stride,
                                 .padding = layer.padding,
                                 .dilation = layer.dilation};
    operations_.push_back({layer.name, Convolution{shape, weight_, bias_}});
    if (layer.relu) operations_.push_back({layer.name, Relu{shape.output_elements()}});
    if (layer.pool > 0) {
      const PoolShape pool{N_, shape.K, shape.P(), shape.Q(), layer.pool, layer.pool};
      operations_.push_back({layer.name, MaxPool{pool}});
    }
  }

  void operator()(const LinearLayer& layer) const {
    const LinearShape shape{N_, input_.elements(), layer.out_features};
    operations_.push_back({layer.name, Linear{shape, weight_, bias_}});
    if (layer.relu) operations_.push_back({layer.name, Relu{shape.output_elements()}});
  }

 private:
  std::vector<Operation>& operations_;
  std::int64_t weight_, bias_;
  std::int64_t N_;
  ActivationShape input_;
};

}  // namespace

std::vector<Operation> lower(const ModelSpec& model, const ParameterLayout& layout, const Stage& stage,
                             std::int64_t samples, const Normalization& normalization) {
  const std::vector<ActivationShape> shapes = infer_shapes(model);
  std::vector<Operation> operations;
  if (stage.first_layer == 0) {
    const ActivationShape& image = model.input;
    operations.push_back({"input", GatherNormalize{samples, image.C, image.H, image.W, normalization.mean,
                                                   normalization.stddev}});
  }
  for (int i = stage.first_layer; i < stage.last_layer; ++i) {
    const auto index = static_cast<std::size_t>(i);
    std::visit(LayerLowering(operations, layout, i, samples, shapes[index]), model.layers[index]);
  }
  if (stage.last_layer == model.layer_count()) {
    operations.push_back({"loss", SoftmaxCrossEntropy{samples, model.classes}});
  }
  return operations;
}

}  // namespace dml
