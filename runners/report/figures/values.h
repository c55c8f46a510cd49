// What several figures say about numbers. Any number given to a figure may be missing: kNotMeasured, or
// anything that is not finite; it is then shown as the words "not measured", never as a number.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace dml::report {

inline constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

/// False for NaN, for infinities, and for magnitudes beyond 1e300, which no axis can hold.
bool is_measured(double value);

/// A confidence interval.
struct Interval {
  double low = kNotMeasured, high = kNotMeasured;
};

/// Both ends are.
bool is_measured(const std::optional<Interval>& interval);

/// A value to compare with, drawn across all rows.
struct ReferenceLine {
  double value = kNotMeasured;
  std::string name;  ///< "mean of single"
};

/// Four significant digits, thousands grouped, no trailing zeros: "0.1235", "12.5", "60,000", "1.235e9";
/// "not measured" when it is not.
std::string value_text(double value);
/// "1e-7", "1.235e9"
std::string scientific_text(double value);
/// The same for values that stand below each other: with as many decimals as each other, where their
/// magnitudes allow that.
std::vector<std::string> value_column(const std::vector<double>& values);

}  // namespace dml::report
