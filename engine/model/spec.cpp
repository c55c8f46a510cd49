#include "engine/model/spec.h"

#include <type_traits>

#include "kernels/base/error.h"

namespace dml {
namespace {

ActivationShape output_shape(const ConvolutionLayer& layer, const ActivationShape& input) {
  const auto extent = [&](std::int64_t in) {
    const std::int64_t span = in + 2 * layer.padding - layer.dilation * (layer.kernel - 1) - 1;
    const std::int64_t convolved = span < 0 ? 0 : span / layer.stride + 1;
    return layer.pool > 0 ? convolved / layer.pool : convolved;
  };
  return {layer.out_channels, extent(input.H), extent(input.W)};
}

ActivationShape output_shape(const LinearLayer& layer, const ActivationShape&) {
  return {layer.out_features, 1, 1};
}

}  // namespace

const std::string& layer_name(const LayerSpec& layer) {
  return std::visit([](const auto& l) -> const std::string& { return l.name; }, layer);
}

std::vector<ActivationShape> infer_shapes(const ModelSpec& model) {
  std::vector<ActivationShape> shapes{model.input};
  for (const LayerSpec& layer : model.layers) {
    const ActivationShape in = shapes.back();
    const ActivationShape out = std::visit([&](const auto& l) { return output_shape(l, in); }, layer);
    if (out.C <= 0 || out.H <= 0 || out.W <= 0) {
      throw UsageError("model " + model.name + ": layer " + layer_name(layer) + " leaves nothing of its " +
                       std::to_string(in.C) + "x" + std::to_string(in.H) + "x" + std::to_string(in.W) +
                       " input; use a smaller filter or pool, or more padding");
    }
    shapes.push_back(out);
  }
  return shapes;
}

std::vector<double> training_flops(const ModelSpec& model) {
  const std::vector<ActivationShape> shapes = infer_shapes(model);
  std::vector<double> flops;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const double forward = std::visit(
        [&](const auto& layer) {
          using Layer = std::decay_t<decltype(layer)>;
          if constexpr (std::is_same_v<Layer, ConvolutionLayer>) {
            ConvolutionLayer unpooled = layer;
            unpooled.pool = 0;
            const auto outputs = static_cast<double>(output_shape(unpooled, shapes[i]).elements());
            return 2.0 * outputs * static_cast<double>(shapes[i].C * layer.kernel * layer.kernel);
          } else {
            return 2.0 * static_cast<double>(layer.out_features * shapes[i].elements());
          }
        },
        model.layers[i]);
    flops.push_back(forward * (i == 0 ? 2 : 3));
  }
  return flops;
}

int first_linear_layer(const ModelSpec& model) {
  for (int i = 0; i < model.layer_count(); ++i) {
    if (std::holds_alternative<LinearLayer>(model.layers[static_cast<std::size_t>(i)])) return i;
  }
  return model.layer_count();
}

}  // namespace dml
