#include "engine/parallel/topology.h"

#include <algorithm>
#include <numeric>

#include "kernels/base/error.h"

namespace dml {
namespace {

std::vector<Stage> cut(const std::vector<int>& split, const ModelSpec& model) {
  std::vector<int> cuts = split;
  if (cuts.empty()) cuts.push_back(first_linear_layer(model));
  std::vector<Stage> stages;
  int first = 0;
  for (const int layer : cuts) {
    if (layer <= first || layer >= model.layer_count()) {
      throw UsageError("--split: cannot cut " + model.name + " before layer " + std::to_string(layer) +
                       "; cuts must increase and lie between 1 and " +
                       std::to_string(model.layer_count() - 1) + " (conv-fc cuts before layer " +
                       std::to_string(first_linear_layer(model)) + ")");
    }
    stages.push_back({first, layer});
    first = layer;
  }
  stages.push_back({first, model.layer_count()});
  return stages;
}

}  // namespace

Topology make_topology(const ParallelOptions& options, const ModelSpec& model) {
  const Stage whole{0, model.layer_count()};
  switch (options.mode) {
    case Mode::single:
      if (options.ranks != 1) {
        throw UsageError("--mode single runs on one rank, but there are " + std::to_string(options.ranks) +
                         "; choose --mode data-parallel or --mode model-parallel");
      }
      return {1, {whole}};
    case Mode::data_parallel:
      return {options.ranks, {whole}};
    case Mode::model_parallel: {
      Topology topology{1, cut(options.split, model)};
      if (topology.ranks() != options.ranks) {
        throw UsageError("--mode model-parallel: this split makes " + std::to_string(topology.ranks()) +
                         " stages, one per rank, but there are " + std::to_string(options.ranks) +
                         " ranks; use --ranks " + std::to_string(topology.ranks()) + " or another --split");
      }
      return topology;
    }
  }
  throw InternalError("unknown mode");
}

std::vector<double> stage_work(const Topology& topology, const ModelSpec& model) {
  const std::vector<double> flops = training_flops(model);
  const double total = std::accumulate(flops.begin(), flops.end(), 0.0);
  std::vector<double> shares;
  for (const Stage& stage : topology.stages) {
    shares.push_back(
        std::accumulate(flops.begin() + stage.first_layer, flops.begin() + stage.last_layer, 0.0) / total);
  }
  return shares;
}

double speedup_ceiling(const Topology& topology, const ModelSpec& model) {
  const std::vector<double> shares = stage_work(topology, model);
  return topology.replicas / *std::max_element(shares.begin(), shares.end());
}

}  // namespace dml
