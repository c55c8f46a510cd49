#include "engine/model/parameters.h"

#include <cmath>
#include <cstring>

#include "kernels/base/hash.h"
#include "kernels/base/philox.h"

namespace dml {
namespace {

template <class Value>
void initialise(const ParameterLayout& layout, std::uint64_t seed, std::span<Value> arena) {
  for (std::size_t t = 0; t < layout.tensors().size(); ++t) {
    const ParameterTensor& tensor = layout.tensors()[t];
    const PhiloxStream random(seed, RandomUse::initialisation, static_cast<std::uint32_t>(t));
    const auto bound = static_cast<float>(1.0 / std::sqrt(static_cast<double>(tensor.fan_in)));
    for (std::int64_t i = 0; i < tensor.elements; ++i) {
      const float unit = random.uniform(static_cast<std::uint64_t>(i));
      arena[static_cast<std::size_t>(tensor.offset + i)] = static_cast<Value>((2.0F * unit - 1.0F) * bound);
    }
  }
}

template <class Value>
std::vector<float> as_floats(std::span<const Value> values) {
  return {values.begin(), values.end()};
}

}  // namespace

ParameterLayout::ParameterLayout(const ModelSpec& model) {
  const std::vector<ActivationShape> shapes = infer_shapes(model);
  const auto add = [&](std::string name, std::vector<std::int64_t> shape, std::int64_t fan_in, int layer) {
    std::int64_t elements = 1;
    for (const std::int64_t extent : shape) elements *= extent;
    tensors_.push_back({std::move(name), std::move(shape), elements_, elements, fan_in, layer});
    elements_ += elements;
  };
  for (int i = 0; i < model.layer_count(); ++i) {
    const LayerSpec& layer = model.layers[static_cast<std::size_t>(i)];
    const ActivationShape& input = shapes[static_cast<std::size_t>(i)];
    const std::string& name = layer_name(layer);
    if (const auto* convolution = std::get_if<ConvolutionLayer>(&layer)) {
      const std::int64_t K = convolution->out_channels;
      const std::int64_t R = convolution->kernel;
      add(name + ".weight", {K, input.C, R, R}, input.C * R * R, i);
      add(name + ".bias", {K}, input.C * R * R, i);
    } else {
      const std::int64_t K = std::get<LinearLayer>(layer).out_features;
      add(name + ".weight", {K, input.elements()}, input.elements(), i);
      add(name + ".bias", {K}, input.elements(), i);
    }
  }
}

const ParameterTensor& ParameterLayout::weight(int layer) const {
  return tensors_.at(2 * static_cast<std::size_t>(layer));
}

const ParameterTensor& ParameterLayout::bias(int layer) const {
  return tensors_.at(2 * static_cast<std::size_t>(layer) + 1);
}

ParameterRange ParameterLayout::range(int first_layer, int last_layer) const {
  const auto start = [&](int layer) {
    const auto tensor = 2 * static_cast<std::size_t>(layer);
    return tensor < tensors_.size() ? tensors_[tensor].offset : elements_;
  };
  return {start(first_layer), start(last_layer) - start(first_layer)};
}

void initialise_parameters(const ParameterLayout& layout, std::uint64_t seed, View arena) {
  DML_ASSERT(arena.elements == layout.elements(), "the arena has another size than the layout");
  if (arena.dtype == DType::f64) {
    initialise(layout, seed, arena.as<double>());
  } else {
    initialise(layout, seed, arena.as<float>());
  }
}

std::string hash_parameters(const ParameterLayout& layout, View arena) {
  const std::vector<float> values =
      arena.dtype == DType::f64 ? as_floats<double>(arena.as<double>()) : as_floats<float>(arena.as<float>());
  std::string bytes;
  for (const ParameterTensor& tensor : layout.tensors()) {
    bytes += tensor.name;
    bytes.push_back('\0');
    const std::size_t start = bytes.size();
    const std::size_t size = static_cast<std::size_t>(tensor.elements) * sizeof(float);
    bytes.resize(start + size);
    std::memcpy(bytes.data() + start, values.data() + tensor.offset, size);
  }
  return xxh3(bytes);
}

}  // namespace dml
