// A model as data: a list of layers, each a parametrised unit with its activation and pool.
//
// A cut between ranks falls between layers (`--split i` cuts before layer i), so it never breaks a fusion.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace dml {

/// conv2d, bias, optional ReLU, optional max pool. Square filter, stride, padding.
struct ConvolutionLayer {
  std::string name;
  std::int64_t out_channels = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t dilation = 1;
  bool relu = true;
  std::int64_t pool = 0;  ///< window and stride of the max pool that follows; 0: none
};

/// Fully connected, bias, optional ReLU. The first one after a convolution flattens (C,H,W).
struct LinearLayer {
  std::string name;
  std::int64_t out_features = 0;
  bool relu = true;
};

using LayerSpec = std::variant<ConvolutionLayer, LinearLayer>;

const std::string& layer_name(const LayerSpec& layer);

/// Activations of one sample at a layer boundary; a linear layer gives (features, 1, 1).
struct ActivationShape {
  std::int64_t C = 0, H = 0, W = 0;
  [[nodiscard]] std::int64_t elements() const { return C * H * W; }
  bool operator==(const ActivationShape&) const = default;
};

struct ModelSpec {
  std::string name;
  ActivationShape input;
  std::int64_t classes = 0;
  std::vector<LayerSpec> layers;  ///< the last one is linear, without ReLU, with `classes` features

  [[nodiscard]] int layer_count() const { return static_cast<int>(layers.size()); }
};

/// Shapes at every layer boundary: element i is the input of layer i, element layer_count() the logits.
/// Throws UsageError naming the layer whose filter or pool does not fit its input.
std::vector<ActivationShape> infer_shapes(const ModelSpec& model);

/// Work of each layer for one training sample, in FLOP (a multiply-add counts two): forward, weight gradient
/// and, for all but the first layer, input gradient. Activations, pools and losses are not counted.
std::vector<double> training_flops(const ModelSpec& model);

/// Index of the first linear layer: where `--split conv-fc` cuts.
int first_linear_layer(const ModelSpec& model);

}  // namespace dml
