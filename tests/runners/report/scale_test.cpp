// Ticks, positions, and numbers as text.
#include "runners/report/figures/scale.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <set>

#include "runners/report/figures/end_labels.h"
#include "runners/report/figures/values.h"

namespace dml::report {
namespace {

using Texts = std::vector<std::string>;

TEST(NiceTicks, AreRoundWithinTheRangeAndAboutAsManyAsAsked) {
  for (const double low : {-7.3, 0.0, 0.012, 87.31, 1e6, -1e12}) {
    for (const double span : {1e-3, 0.5, 1.0, 7.0, 43.0, 1e5, 3e12}) {
      for (const int about : {1, 3, 6, 10}) {
        const std::vector<double> ticks = nice_ticks(low, low + span, about);
        if (low + span - low < span / 2) continue;  // lost in rounding
        EXPECT_GE(ticks.size(), 2U) << low << " + " << span;
        EXPECT_LE(ticks.size(), 2 * static_cast<std::size_t>(about) + 3);
        for (const double tick : ticks) {
          EXPECT_GE(tick, low - 1e-6 * span);
          EXPECT_LE(tick, low + span + 1e-6 * span);
        }
      }
    }
  }
  EXPECT_EQ(nice_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_TRUE(nice_ticks(1, 1, 5).empty());
}

TEST(LogarithmicTicks, ArePowersOfTen) {
  EXPECT_EQ(logarithmic_ticks(0.5, 2000, 4), (std::vector<double>{1, 10, 100, 1000}));
  EXPECT_EQ(logarithmic_ticks(1, 20, 6), (std::vector<double>{1, 2, 5, 10, 20}));
  EXPECT_LE(logarithmic_ticks(1e-200, 1e200, 6).size(), 7U);
  EXPECT_TRUE(logarithmic_ticks(0, 10, 4).empty());
}

TEST(TickTexts, TellNeighboursApartWithEqualDecimals) {
  EXPECT_EQ(tick_texts({0, 0.5, 1}), (Texts{"0", "0.5", "1.0"}));
  EXPECT_EQ(tick_texts({0.295, 0.3, 0.305}), (Texts{"0.295", "0.300", "0.305"}));
  EXPECT_EQ(tick_texts({0, 20000, 40000}), (Texts{"0", "20,000", "40,000"}));
  EXPECT_EQ(tick_texts({1e-7, 1e-6, 1e-5}), (Texts{"1e-7", "1e-6", "1e-5"}));
  for (const double low : {0.0, 87.2, -3.0}) {
    for (const double span : {0.01, 1.0, 500.0}) {
      const Texts texts = tick_texts(nice_ticks(low, low + span, 6));
      EXPECT_EQ(std::set<std::string>(texts.begin(), texts.end()).size(), texts.size());
    }
  }
}

TEST(Scale, PutsLowAndHighAtTheEnds) {
  const Scale linear{2, 4, 100, 300};
  EXPECT_DOUBLE_EQ(linear.at(2), 100);
  EXPECT_DOUBLE_EQ(linear.at(3), 200);
  EXPECT_DOUBLE_EQ(linear.at(4), 300);
  const Scale logarithmic{1, 100, 0, 10, true};
  EXPECT_NEAR(logarithmic.at(10), 5, 1e-12);
}

TEST(Range, LeavesOutWhatIsNotMeasuredAndAlwaysHasAWidth) {
  Range range;
  range.include(kNotMeasured);
  range.include(std::numeric_limits<double>::infinity());
  EXPECT_TRUE(range.empty());
  for (const double value : {0.0, 5.0, -1e-12, 1e299}) {
    Range point;
    point.include(value);
    EXPECT_LT(point.padded(0.05).low(), value);
    EXPECT_GT(point.padded(0.05).high(), value);
  }
}

TEST(ValueText, HasFourDigitsAndNeverNan) {
  EXPECT_EQ(value_text(0), "0");
  EXPECT_EQ(value_text(0.123456), "0.1235");
  EXPECT_EQ(value_text(0.00123456), "0.001235");
  EXPECT_EQ(value_text(12.5), "12.5");
  EXPECT_EQ(value_text(-87.314), "-87.31");
  EXPECT_EQ(value_text(60000), "60,000");
  EXPECT_EQ(value_text(1.2345e9), "1.234e9");
  EXPECT_EQ(value_text(1e-7), "1e-7");
  EXPECT_EQ(value_text(kNotMeasured), "not measured");
  EXPECT_EQ(value_text(-std::numeric_limits<double>::infinity()), "not measured");
}

TEST(ValueColumn, GivesValuesEqualDecimals) {
  EXPECT_EQ(value_column({1.2, 0.18, 0}), (Texts{"1.20", "0.18", "0.00"}));
  EXPECT_EQ(value_column({12.4, 11.78}), (Texts{"12.40", "11.78"}));
  EXPECT_EQ(value_column({3, kNotMeasured, 40}), (Texts{"3", "not measured", "40"}));
  EXPECT_EQ(value_column({20000, 1.5}), (Texts{"20,000", "1.5"}));  // no number of decimals suits both
  EXPECT_EQ(value_column({20000, 3000.4}), (Texts{"20,000", "3,000"}));
  EXPECT_TRUE(value_column({}).empty());
}

TEST(PlaceEndLabels, MovesThemApartAndKeepsTheirOrder) {
  std::vector<EndLabel> wanted;
  for (std::size_t i = 0; i < 6; ++i) wanted.push_back({i, {"name"}, 50 - static_cast<double>(i), 0});
  const auto placed = place_end_labels(wanted, 0, 100);
  ASSERT_TRUE(placed.has_value());
  for (std::size_t i = 0; i < placed->size(); ++i) {
    EXPECT_EQ((*placed)[i].series, 5 - i);
    EXPECT_GE((*placed)[i].middle, 8);
    EXPECT_LE((*placed)[i].middle, 92);
    if (i > 0) {
      EXPECT_GE((*placed)[i].middle - (*placed)[i - 1].middle, 16 - 1e-9);
    }
  }
  EXPECT_FALSE(place_end_labels(wanted, 0, 90).has_value());
}

TEST(PlaceEndLabels, LeavesThemWhereTheyWantToBeWhenThereIsRoom) {
  const auto placed = place_end_labels({{0, {"a"}, 20, 0}, {1, {"b"}, 70, 0}}, 0, 100);
  ASSERT_TRUE(placed.has_value());
  EXPECT_DOUBLE_EQ((*placed)[0].middle, 20);
  EXPECT_DOUBLE_EQ((*placed)[1].middle, 70);
}

}  // namespace
}  // namespace dml::report
