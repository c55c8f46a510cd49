#include "runners/report/figures/values.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "runners/text.h"

namespace dml::report {
namespace {

constexpr double kLargest = 1e300;
constexpr int kDigits = 4;

std::string without_trailing_zeros(std::string number) {
  if (number.find('.') == std::string::npos) return number;
  number.erase(number.find_last_not_of('0') + 1);
  if (number.back() == '.') number.pop_back();
  return number;
}

/// "1.235e+09" -> "1.235e9"
std::string scientific(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*e", kDigits - 1, value);
  const std::string number = text;
  const std::size_t e = number.find('e');
  return without_trailing_zeros(number.substr(0, e)) + "e" + std::to_string(std::stoi(number.substr(e + 1)));
}

}  // namespace

bool is_measured(double value) {
  return std::isfinite(value) && std::abs(value) <= kLargest;
}

std::string value_text(double value) {
  if (!is_measured(value)) return "not measured";
  const double magnitude = std::abs(value);
  if (magnitude == 0) return "0";
  if (magnitude >= 1e9 || magnitude < 1e-4) return scientific(value);
  if (magnitude >= 1000) return with_thousands(std::llround(value));
  const int whole_digits = std::max(1, static_cast<int>(std::floor(std::log10(magnitude))) + 1);
  const int leading_zeros = magnitude < 1 ? static_cast<int>(std::ceil(-std::log10(magnitude))) - 1 : 0;
  const int decimals = magnitude < 1 ? kDigits + leading_zeros : kDigits - whole_digits;
  return without_trailing_zeros(decimal(value, decimals));
}

}  // namespace dml::report
