// The kernels of the CPU backend, as candidates of the shared lowering. Each is made in a file of its own.
#pragma once

#include <memory>
#include <span>

#include "kernels/base/lowering.h"
#include "kernels/cpu/step.h"

namespace dml::cpu {

using StageCandidate = Candidate<StageContext>;

/// A gather in front of a convolution in lanes, straight into lanes_layout().
StageCandidate lanes_gather();
/// A gather into plain (N,C,H,W).
StageCandidate gather();
/// Convolution [+ ReLU] [+ max pool] of few channels, sixteen samples in the lanes of a vector.
StageCandidate lanes_convolution();
/// Convolution on oneDNN, in the layouts it asks for.
StageCandidate onednn_convolution();
/// Linear layer on oneDNN; sources of other layouts are made plain first.
StageCandidate onednn_linear();
/// ReLU and the max pool behind it in one pass, in the layout of the source.
StageCandidate relu_max_pool();
StageCandidate max_pool();
/// In place, except where the source is the caller's.
StageCandidate relu();
StageCandidate softmax_cross_entropy();

/// The operation at the front of the list if it is of this kind, else null.
template <class Work>
const Work* front_as(std::span<const Operation> operations) {
  return operations.empty() ? nullptr : std::get_if<Work>(&operations.front().work);
}

/// Makes a step whose constructor takes the stage and what was claimed, and hands its output to the next one.
template <class Kind, class... Arguments>
std::unique_ptr<Step> make_step(StageContext& stage, const Arguments&... arguments) {
  auto step = std::make_unique<Kind>(stage, arguments...);
  stage.current = step->output();
  stage.current_is_input = false;
  return step;
}

}  // namespace dml::cpu
