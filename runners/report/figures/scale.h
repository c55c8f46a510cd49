// From values to positions, and the round numbers an axis shows.
#pragma once

#include <string>
#include <vector>

namespace dml::report {

/// The span of what is drawn on an axis: collects values, and leaves out those that are not measured.
class Range {
 public:
  void include(double value);
  [[nodiscard]] bool empty() const { return empty_; }
  [[nodiscard]] double low() const { return low_; }
  [[nodiscard]] double high() const { return high_; }
  /// Wider by `share` of its width at both ends, and never without a width. [0, 1] when empty.
  [[nodiscard]] Range padded(double share) const;

 private:
  bool empty_ = true;
  double low_ = 0, high_ = 1;
};

/// Values low .. high on positions from .. to; low < high, and both positive when logarithmic.
struct Scale {
  double low = 0, high = 1;
  double from = 0, to = 1;
  bool logarithmic = false;

  [[nodiscard]] double at(double value) const;
};

/// Multiples of 1, 2 or 5 times a power of ten within [low, high]: about as many as asked for.
std::vector<double> nice_ticks(double low, double high, int about);
/// Powers of ten within [low, high], with 2 and 5 times them where there are few of them.
std::vector<double> logarithmic_ticks(double low, double high, int about);
/// All ticks with as many decimals as the distance between them needs.
std::vector<std::string> tick_texts(const std::vector<double>& ticks);

}  // namespace dml::report
