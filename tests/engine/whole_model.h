// A whole model compiled as one stage on one backend, without ranks, modes or commands.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/data/dataset.h"
#include "engine/model/parameters.h"
#include "engine/model/zoo.h"
#include "engine/train/mirrored_arena.h"
#include "engine/train/plan.h"
#include "kernels/base/backend.h"

namespace dml::test {

class WholeModel {
 public:
  /// Starts from initialise_parameters(seed). `data` outlives the model.
  WholeModel(const std::string& name, Backend& backend, const DataBinding& data, std::int64_t batch,
             const Normalization& normalization, std::uint64_t seed)
      : spec_(model_by_name(name)),
        layout_(spec_),
        stream_(backend.make_stream()),
        values_(backend, *stream_, layout_.elements(), "parameters"),
        gradients_(backend, *stream_, layout_.elements(), "gradients") {
    parameters_.values = values_.values();
    parameters_.gradients = gradients_.values();
    initialise_parameters(layout_, seed, values_.host());
    values_.upload();
    const auto operations = lower(spec_, layout_, {0, spec_.layer_count()}, batch, normalization);
    executable_ = backend.compile(operations, parameters_, data, {.training = true});
  }

  [[nodiscard]] const ParameterLayout& layout() const { return layout_; }
  [[nodiscard]] ParameterBinding& parameters() { return parameters_; }
  [[nodiscard]] Stream& stream() { return *stream_; }
  [[nodiscard]] View gradient(const ParameterTensor& tensor) {
    gradients_.device_changed();
    return gradients_.host().slice(tensor.offset, tensor.elements);
  }

  /// Forward and backward for these samples: the parameters' gradients are sums over them. Returns the mean
  /// loss.
  double compute_gradients(std::span<const std::int64_t> samples) {
    const std::span<std::int64_t> indices = executable_->sample_indices();
    DML_ASSERT(samples.size() == indices.size(), "a batch of another size than was compiled");
    std::copy(samples.begin(), samples.end(), indices.begin());
    executable_->run(Phase::forward, *stream_);
    const double loss_sum = executable_->loss().loss_sum;
    executable_->run(Phase::backward, *stream_);
    stream_->synchronize();
    return loss_sum / static_cast<double>(samples.size());
  }

 private:
  ModelSpec spec_;
  ParameterLayout layout_;
  std::unique_ptr<Stream> stream_;
  MirroredArena values_, gradients_;
  ParameterBinding parameters_;
  std::unique_ptr<Executable> executable_;
};

}  // namespace dml::test
