// The shared lowering: who claims what, and which lists of operations are refused.
#include "kernels/base/lowering.h"

#include <gtest/gtest.h>
#include <string>

#include "tests/kernels/stage_cases.h"

namespace dml::test {
namespace {

/// A backend whose kernels are the names of what was made.
struct NameContext {
  using Kernel = std::string;
};
using NameCandidate = Candidate<NameContext>;

template <class Work>
std::size_t claims_small(std::span<const Operation> operations) {
  const auto* work = std::get_if<Work>(&operations.front().work);
  if (work == nullptr) return 0;
  if constexpr (std::is_same_v<Work, Convolution>) return work->shape.R <= 5 ? 1 : 0;
  return 1;
}

std::string rule_of_small(const Operation& operation) {
  const auto* work = std::get_if<Convolution>(&operation.work);
  return work == nullptr || work->shape.R <= 5 ? "" : "a filter has at most 5 rows";
}

/// Supports convolution + ReLU, but 3x3 filters only.
std::size_t claims_fused(std::span<const Operation> operations) {
  if (operations.size() < 2 || !std::holds_alternative<Relu>(operations[1].work)) return 0;
  const auto* convolution = std::get_if<Convolution>(&operations[0].work);
  return convolution != nullptr && convolution->shape.R == 3 ? 2 : 0;
}

template <char kLetter>
std::unique_ptr<std::string> make(std::span<const Operation> claimed, NameContext& /*context*/) {
  return std::make_unique<std::string>(kLetter + std::to_string(claimed.size()));
}

std::string lowered(const StageCase& stage, KernelChoice choice = KernelChoice::automatic) {
  const NameCandidate candidates[] = {
      {"fused", claims_fused, make<'F'>, Origin::custom},
      {"conv", claims_small<Convolution>, make<'c'>, Origin::library, rule_of_small},
      {"relu", claims_small<Relu>, make<'r'>},
      {"pool", claims_small<MaxPool>, make<'p'>}};
  NameContext context;
  std::string names;
  for (const auto& kernel : lower<NameContext>(stage.operations, candidates, context, choice))
    names += *kernel + " ";
  return names;
}

/// The message of the UsageError that lowering the stage throws.
std::string refusal(const StageCase& stage, KernelChoice choice = KernelChoice::automatic) {
  try {
    return "compiled to " + lowered(stage, choice);
  } catch (const UsageError& error) {
    return error.what();
  }
}

TEST(Lowering, PrefersTheFusedCandidateAndFallsBackToTheParts) {
  EXPECT_EQ(lowered(StageBuilder("fused", 1, 1, 9, 9).convolution(2, 3, 3).relu().max_pool(2, 2).build()),
            "F2 p1 ");
  EXPECT_EQ(
      lowered(StageBuilder("other_filter", 1, 1, 9, 9).convolution(2, 5, 5).relu().max_pool(2, 2).build()),
      "c1 r1 p1 ");
  EXPECT_EQ(lowered(StageBuilder("no_relu", 1, 1, 9, 9).convolution(2, 3, 3).max_pool(2, 2).build()),
            "c1 p1 ");
  EXPECT_EQ(
      lowered(
          StageBuilder("mixed", 1, 1, 9, 9).convolution(2, 5, 5).relu().convolution(2, 3, 3).relu().build()),
      "c1 r1 F2 ");
}

TEST(Lowering, NamesTheLayerThatNoKernelSupports) {
  const std::string message =
      refusal(StageBuilder("seven", 1, 1, 9, 9).convolution(2, 3, 3).convolution(4, 7, 7, 1, 2).build());
  EXPECT_NE(message.find("conv2"), std::string::npos) << message;
  EXPECT_NE(message.find("convolution 2x7x7 -> 4x5x5, filter 7x7, padding 2 (a filter has at most 5 rows);"),
            std::string::npos)
      << message;
}

TEST(Lowering, KeepsToTheKernelsThatWereChosen) {
  const StageCase both = StageBuilder("both", 1, 1, 9, 9).convolution(2, 3, 3).relu().max_pool(2, 2).build();
  EXPECT_EQ(lowered(both, KernelChoice::custom), "F2 p1 ");
  EXPECT_EQ(lowered(both, KernelChoice::library), "c1 r1 p1 ");
  const StageCase five = StageBuilder("five", 1, 1, 9, 9).convolution(2, 5, 5).relu().build();
  EXPECT_EQ(
      refusal(five, KernelChoice::custom),
      "--kernels custom: layer conv1: no kernel of our own computes a convolution 1x9x9 -> 2x5x5, filter "
      "5x5 on this device; write --kernels auto");
  EXPECT_EQ(lowered(five, KernelChoice::library), "c1 r1 ");
  // What no kernel computes is not computed by others either.
  const StageCase seven = StageBuilder("seven", 1, 1, 9, 9).convolution(2, 7, 7).build();
  for (const KernelChoice choice : {KernelChoice::custom, KernelChoice::library}) {
    const std::string message = refusal(seven, choice);
    EXPECT_NE(message.find("; change the layer or choose another --device"), std::string::npos) << message;
    EXPECT_EQ(message.find("--kernels auto"), std::string::npos) << message;
  }
}

TEST(Lowering, NamesTheRuleThatAShapeBreaks) {
  const std::string filter =
      refusal(StageBuilder("filter", 1, 1, 4, 9).convolution(1, 3, 3, 1, 0, 2).build());
  EXPECT_NE(filter.find("layer conv1: the filter covers 5x5 but the padded input is only 4x9"),
            std::string::npos)
      << filter;
  const std::string window =
      refusal(StageBuilder("window", 1, 1, 4, 9).convolution(1, 3, 3).max_pool(3, 3).build());
  EXPECT_NE(window.find("3x3 is larger than its input of 2x7"), std::string::npos) << window;
  const auto with = [](auto work) { return StageCase{.name = "", .operations = {{"layer9", work}}}; };
  EXPECT_NE(refusal(with(Convolution{{1, 1, 4, 4, 1, 2, 2, 0, 0, 1}, 0, 0})).find("stride"),
            std::string::npos);
  EXPECT_NE(refusal(with(Convolution{{1, 1, 4, 4, 1, 2, 2, 1, -1, 1}, 0, 0})).find("padding"),
            std::string::npos);
  EXPECT_NE(refusal(with(Convolution{{1, 0, 4, 4, 1, 2, 2, 1, 0, 1}, 0, 0})).find("layer9"),
            std::string::npos);
  EXPECT_NE(refusal(with(MaxPool{{1, 1, 4, 4, 0, 1}})).find("window"), std::string::npos);
  EXPECT_NE(refusal(with(Linear{{1, 0, 4}, 0, 0})).find("0 -> 4"), std::string::npos);
  EXPECT_NE(refusal(with(SoftmaxCrossEntropy{1, 0})).find("class"), std::string::npos);
  EXPECT_NE(refusal(with(GatherNormalize{1, 1, 1, 1, 0, 0})).find("deviation"), std::string::npos);
}

TEST(Lowering, RefusesListsThatDoNotHoldTogether) {
  const Operation relu_of_4{"a", Relu{4}};
  const Operation relu_of_5{"b", Relu{5}};
  const Operation gather_of_4{"c", GatherNormalize{1, 1, 2, 2, 0, 1}};
  const Operation loss_of_4{"d", SoftmaxCrossEntropy{1, 4}};
  const auto check = [](std::vector<Operation> operations) { check_operations(operations); };
  EXPECT_NO_THROW(check({gather_of_4, relu_of_4, loss_of_4}));
  EXPECT_THROW(check({}), InternalError);
  EXPECT_THROW(check({relu_of_4, relu_of_5}), InternalError) << "sizes";
  EXPECT_THROW(check({relu_of_4, gather_of_4}), InternalError) << "a gather in the middle";
  EXPECT_THROW(check({loss_of_4, relu_of_4}), InternalError) << "a loss in the middle";
}

}  // namespace
}  // namespace dml::test
