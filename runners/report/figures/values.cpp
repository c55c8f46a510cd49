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

/// Digits before the point: 0.1 -> 1, 12.5 -> 2.
int whole_digits(double magnitude) {
  return magnitude < 1 ? 1 : static_cast<int>(std::floor(std::log10(magnitude))) + 1;
}

/// Zeros that stand at the end of every text, behind the point.
void drop_common_zeros(std::vector<std::string>& texts) {
  const auto all_end_in = [&](char character) {
    return std::all_of(texts.begin(), texts.end(), [&](const std::string& text) {
      return text.find('.') != std::string::npos && text.back() == character;
    });
  };
  const auto shorten = [&] {
    for (std::string& text : texts) text.pop_back();
  };
  while (!texts.empty() && all_end_in('0')) shorten();
  if (!texts.empty() && all_end_in('.')) shorten();
}

}  // namespace

bool is_measured(double value) {
  return std::isfinite(value) && std::abs(value) <= kLargest;
}

bool is_measured(const std::optional<Interval>& interval) {
  return interval && is_measured(interval->low) && is_measured(interval->high);
}

std::string scientific_text(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*e", kDigits - 1, value);
  const std::string number = text;
  const std::size_t e = number.find('e');
  return without_trailing_zeros(number.substr(0, e)) + "e" + std::to_string(std::stoi(number.substr(e + 1)));
}

std::string value_text(double value) {
  if (!is_measured(value)) return "not measured";
  const double magnitude = std::abs(value);
  if (magnitude == 0) return "0";
  if (magnitude >= 1e9 || magnitude < 1e-4) return scientific_text(value);
  if (magnitude >= 1000) return with_thousands(std::llround(value));
  const int leading_zeros = magnitude < 1 ? static_cast<int>(std::ceil(-std::log10(magnitude))) - 1 : 0;
  const int decimals = magnitude < 1 ? kDigits + leading_zeros : kDigits - whole_digits(magnitude);
  return without_trailing_zeros(decimal(value, decimals));
}

std::vector<std::string> value_column(const std::vector<double>& values) {
  double largest = 0;
  double smallest = kLargest;
  for (const double value : values) {
    if (!is_measured(value) || value == 0) continue;
    largest = std::max(largest, std::abs(value));
    smallest = std::min(smallest, std::abs(value));
  }
  const int decimals = largest == 0 ? 0 : std::max(0, kDigits - whole_digits(largest));
  const bool alike = largest < 1000 && smallest >= 5 * std::pow(10, -decimals);
  std::vector<std::string> texts;
  std::vector<std::string> numbers;
  for (const double value : values) {
    if (alike && is_measured(value)) numbers.push_back(decimal(value, decimals));
  }
  drop_common_zeros(numbers);
  auto number = numbers.begin();
  for (const double value : values) {
    texts.push_back(alike && is_measured(value) ? *number++ : value_text(value));
  }
  return texts;
}

}  // namespace dml::report
