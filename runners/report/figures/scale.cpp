#include "runners/report/figures/scale.h"

#include <algorithm>
#include <cmath>

#include "runners/report/figures/values.h"
#include "runners/text.h"

namespace dml::report {
namespace {

constexpr int kMostTicks = 64;
constexpr double kRounding = 1e-9;  // of a step: a tick at the end of the range counts as inside

double nice_step(double span, int about) {
  const double rough = span / std::max(1, about);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * (1 - kRounding)) return factor * power;
  }
  return 10 * power;
}

std::vector<double> multiples(double low, double high, double step) {
  const double first = std::ceil(low / step - kRounding);
  const double last = std::floor(high / step + kRounding);
  std::vector<double> ticks;
  if (!(last - first < kMostTicks)) return ticks;
  for (int i = 0; first + i <= last; ++i) ticks.push_back((first + i) * step);
  return ticks;
}

/// The steps from power to power: 1, 10, 100 or, in a short range, 1, 2, 5, 10.
std::vector<double> powers(double low, double high, const std::vector<double>& factors, int stride) {
  std::vector<double> ticks;
  const int first = static_cast<int>(std::floor(std::log10(low)));
  for (int exponent = first; exponent <= std::log10(high); ++exponent) {
    if (exponent % stride != 0) continue;
    for (const double factor : factors) {
      const double tick = factor * std::pow(10, exponent);
      if (tick >= low * (1 - kRounding) && tick <= high * (1 + kRounding)) ticks.push_back(tick);
    }
  }
  return ticks;
}

}  // namespace

void Range::include(double value) {
  if (!is_measured(value)) return;
  low_ = empty_ ? value : std::min(low_, value);
  high_ = empty_ ? value : std::max(high_, value);
  empty_ = false;
}

Range Range::padded(double share) const {
  Range result = *this;
  if (empty_) return result;
  const double magnitude = std::max(std::abs(low_), std::abs(high_));
  const bool has_width = high_ - low_ > 1e-12 * magnitude;
  const double padding =
      has_width ? share * (high_ - low_) : std::max(0.05 * magnitude, magnitude > 0 ? 0 : 0.5);
  result.low_ -= padding;
  result.high_ += padding;
  return result;
}

double Scale::at(double value) const {
  if (logarithmic)
    return from + (to - from) * ((std::log(value) - std::log(low)) / (std::log(high) - std::log(low)));
  return from + (to - from) * ((value - low) / (high - low));
}

std::vector<double> nice_ticks(double low, double high, int about) {
  if (!(high > low)) return {};
  std::vector<double> ticks;
  for (int wanted = about; ticks.size() < 2 && wanted < about + 8; ++wanted) {
    ticks = multiples(low, high, nice_step(high - low, wanted));
  }
  return ticks;
}

std::vector<double> logarithmic_ticks(double low, double high, int about) {
  if (!(low > 0) || !(high > low)) return {};
  const double decades = std::log10(high) - std::log10(low);
  if (decades < 1) return nice_ticks(low, high, about);
  if (3 * decades <= about) return powers(low, high, {1, 2, 5}, 1);
  const int stride = std::max(1, static_cast<int>(std::ceil(decades / std::max(1, about))));
  return powers(low, high, {1}, stride);
}

std::vector<std::string> tick_texts(const std::vector<double>& ticks) {
  double smallest = 0;
  double largest = 0;
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    const double distance = std::abs(i == 0 ? ticks[i] : ticks[i] - ticks[i - 1]);
    if (distance > 0) smallest = smallest > 0 ? std::min(smallest, distance) : distance;
    largest = std::max(largest, std::abs(ticks[i]));
  }
  const int decimals =
      smallest > 0 ? std::max(0, -static_cast<int>(std::floor(std::log10(smallest) + kRounding))) : 0;
  std::vector<std::string> texts;
  for (const double tick : ticks) {
    const bool plain = largest < 1e9 && decimals <= 5;
    if (!plain || tick == 0) {
      texts.push_back(tick == 0 ? "0" : scientific_text(tick));
    } else {
      texts.push_back(decimals == 0 ? with_thousands(std::llround(tick)) : decimal(tick, decimals));
    }
  }
  return texts;
}

}  // namespace dml::report
