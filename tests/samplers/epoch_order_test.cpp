// EpochOrder's position rule: global orders and owned lists, equal, ragged and empty.
#include <gtest/gtest.h>
#include <optional>
#include <vector>

#include "kernels/base/error.h"
#include "samplers/sampler.h"

namespace dml::test {
namespace {

using Positions = std::vector<std::optional<std::int64_t>>;

Positions positions(const EpochOrder& order) {
  Positions result;
  for (std::int64_t p = 0; p < order.length(); ++p) result.push_back(order.sample(p));
  return result;
}

TEST(EpochOrder, GlobalIsTheOrderItself) {
  EXPECT_EQ(positions(EpochOrder::global({4, 0, 2})), (Positions{4, 0, 2}));
  EXPECT_EQ(EpochOrder::global({}).length(), 0);
}

TEST(EpochOrder, OwnedListsAreDealtInTurn) {
  EXPECT_EQ(positions(EpochOrder::owned({{1, 2, 3}, {7, 8, 9}})), (Positions{1, 7, 2, 8, 3, 9}));
  EXPECT_EQ(positions(EpochOrder::owned({{5, 6}})), (Positions{5, 6}));
}

TEST(EpochOrder, ExhaustedListsLeaveHoles) {
  const std::optional<std::int64_t> hole;
  EXPECT_EQ(positions(EpochOrder::owned({{1}, {7, 8, 9}, {}})),
            (Positions{1, 7, hole, hole, 8, hole, hole, 9, hole}));
  EXPECT_EQ(positions(EpochOrder::owned({{}, {3}})), (Positions{hole, 3}));
  EXPECT_EQ(EpochOrder::owned({{}, {}}).length(), 0);
}

TEST(EpochOrder, PositionsOutsideTheEpochAreABrokenInvariant) {
  const EpochOrder global = EpochOrder::global({0, 1});
  const EpochOrder owned = EpochOrder::owned({{0, 1}, {2}});
  for (const std::int64_t position : {-1, 2})
    EXPECT_THROW(static_cast<void>(global.sample(position)), InternalError);
  for (const std::int64_t position : {-1, 4})
    EXPECT_THROW(static_cast<void>(owned.sample(position)), InternalError);
  EXPECT_THROW(EpochOrder::owned({}), InternalError);
}

}  // namespace
}  // namespace dml::test
