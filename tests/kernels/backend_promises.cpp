// check_promises(): what kernels/base/backend.h promises beyond the numbers of a stage.
#include <cmath>
#include <limits>
#include <string>

#include "tests/kernels/operation_testbed.h"
#include "tests/kernels/stage_subject.h"

namespace dml::test {
namespace {

constexpr std::int64_t kBatch = 3;

/// conv1 + relu + pool, fc1 + relu, fc2, loss; with or without the gather.
StageCase small_model(bool gather) {
  StageBuilder builder("small_model", kBatch, 2, 6, 6);
  if (gather) builder.gather(0.5, 0.25);
  return builder.convolution(4, 3, 3, 1, 1)
      .relu()
      .max_pool(2, 2)
      .linear(8)
      .relu()
      .linear(5)
      .softmax_cross_entropy()
      .build();
}

Inputs plain_inputs(const StageCase& stage, bool gather) {
  Inputs inputs;
  inputs.parameters.assign(static_cast<std::size_t>(stage.arena_elements), 0.125);
  if (gather) {
    inputs.images.assign(std::size_t{7} * 2 * 6 * 6, 128);
  } else {
    inputs.input.assign(std::size_t{kBatch} * 2 * 6 * 6, 0.5);
  }
  inputs.labels.assign(7, 4);
  inputs.indices = {6, 0, 6};
  return inputs;
}

void check_views(Backend& backend) {
  for (const bool gather : {false, true}) {
    const StageCase stage = small_model(gather);
    const Inputs inputs = plain_inputs(stage, gather);
    Subject subject(backend, stage, inputs, {.training = true, .input_gradient = !gather});
    Executable& executable = subject.executable();
    EXPECT_EQ(executable.sample_indices().size(), std::size_t{kBatch});
    EXPECT_EQ(executable.input().elements, gather ? 0 : kBatch * 2 * 6 * 6);
    EXPECT_EQ(executable.input_gradient().elements, gather ? 0 : kBatch * 2 * 6 * 6);
    EXPECT_EQ(executable.output().elements, kBatch * 5) << "the output of a stage with a loss is its logits";
    EXPECT_EQ(executable.output_gradient().elements, 0) << "a loss needs no output gradient";
    for (const char* layer : {"conv1", "fc1", "fc2", "loss"}) {
      EXPECT_NE(executable.description().find(layer), std::string::npos) << executable.description();
    }
  }
  const StageCase stage = StageBuilder("linear", kBatch, 4, 1, 1).linear(5).build();
  const Inputs inputs{.parameters = {},
                      .input = std::vector<double>(kBatch * 4, 1.0),
                      .output_gradient = {},
                      .earlier_gradients = {},
                      .images = {},
                      .labels = {},
                      .indices = {}};
  Subject subject(backend, stage, inputs, {.training = true, .input_gradient = false});
  EXPECT_TRUE(subject.executable().sample_indices().empty()) << "neither gather nor loss: nothing to index";
  EXPECT_EQ(subject.executable().output_gradient().elements, kBatch * 5);
  EXPECT_EQ(subject.executable().input().dtype, backend.dtype());
  EXPECT_EQ(subject.executable().output().dtype, backend.dtype());
}

/// An infinite bias of a layer makes that layer the first one whose activations are not finite.
void check_non_finite(Backend& backend) {
  const StageCase stage = small_model(true);
  const Inputs inputs = plain_inputs(stage, true);
  Subject subject(backend, stage, inputs, {.training = true, .input_gradient = false});
  const auto spoil = [&](std::int64_t offset, double value) {
    std::vector<double> parameters = inputs.parameters;
    parameters[static_cast<std::size_t>(offset)] = value;
    subject.set_parameters(parameters);
    subject.forward();
    return subject.executable().first_non_finite_layer();
  };
  for (const Operation& operation : stage.operations) {
    std::int64_t bias = -1;
    if (const auto* convolution = std::get_if<Convolution>(&operation.work)) bias = convolution->bias_offset;
    if (const auto* linear = std::get_if<Linear>(&operation.work)) bias = linear->bias_offset;
    if (bias < 0) continue;
    EXPECT_EQ(spoil(bias, std::numeric_limits<double>::infinity()), operation.layer);
    // A ReLU inside a fused kernel may turn a NaN into 0 before it ever is an activation; fc2 has none.
    if (operation.layer == "fc2") {
      EXPECT_EQ(spoil(bias, std::numeric_limits<double>::quiet_NaN()), operation.layer);
    }
    EXPECT_EQ(spoil(bias, 1), "") << "finite again";
  }
}

void check_indices(Backend& backend) {
  for (const bool gather : {false, true}) {
    const StageCase stage = small_model(gather);
    for (const std::int64_t index :
         {std::int64_t{-1}, std::int64_t{7}, std::numeric_limits<std::int64_t>::max()}) {
      Inputs inputs = plain_inputs(stage, gather);
      inputs.indices[1] = index;
      Subject subject(backend, stage, inputs, {.training = true, .input_gradient = false});
      EXPECT_THROW(subject.forward(), Error) << "sample " << index << " of 7";
    }
    Inputs inputs = plain_inputs(stage, gather);
    inputs.labels[6] = 5;
    Subject subject(backend, stage, inputs, {.training = true, .input_gradient = false});
    EXPECT_THROW(subject.forward(), Error) << "label 5 of 5 classes";
  }
  // A gather without a loss: the first stage of a split model has nobody else to check for it.
  const StageCase first =
      StageBuilder("first", kBatch, 2, 6, 6).gather(0.5, 0.25).convolution(4, 3, 3).build();
  for (const std::int64_t index : {-1, 7}) {
    Inputs inputs = plain_inputs(first, true);
    inputs.indices[2] = index;
    Subject subject(backend, first, inputs, {.training = true, .input_gradient = false});
    EXPECT_THROW(subject.forward(), Error) << "sample " << index << " of 7";
  }
}

/// Throws UsageError naming the layer.
void expect_refused(Backend& backend, const StageCase& stage, const std::string& layer) {
  const Inputs inputs{.parameters = std::vector<double>(static_cast<std::size_t>(stage.arena_elements)),
                      .input = {},
                      .output_gradient = {},
                      .earlier_gradients = {},
                      .images = {},
                      .labels = {},
                      .indices = {}};
  try {
    const Subject subject(backend, stage, inputs, {});
    ADD_FAILURE() << stage.name << " was compiled";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(layer), std::string::npos) << error.what();
  }
}

void check_refusals(Backend& backend) {
  expect_refused(backend, StageBuilder("filter_exceeds_input", 1, 1, 4, 9).convolution(1, 5, 5).build(),
                 "conv1");
  // One row short: (4 - 5) / 2 + 1 is 1 in integers that round towards zero.
  expect_refused(backend, StageBuilder("one_row_short", 1, 1, 4, 9).convolution(1, 5, 5, 2).build(), "conv1");
  expect_refused(backend, StageBuilder("dilated", 1, 1, 4, 9).convolution(1, 3, 3, 1, 0, 2).build(), "conv1");
  expect_refused(backend, StageBuilder("window", 1, 1, 9, 2).convolution(2, 1, 1).max_pool(3, 2).build(),
                 "conv1");
  expect_refused(backend, StageBuilder("no_output", 1, 4, 1, 1).linear(0).build(), "fc1");
}

}  // namespace

void check_promises(Backend& backend) {
  EXPECT_FALSE(backend.name().empty());
  check_views(backend);
  check_non_finite(backend);
  check_indices(backend);
  check_refusals(backend);
}

}  // namespace dml::test
