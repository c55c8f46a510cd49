#include "runners/cli/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <system_error>

#include "kernels/base/error.h"

namespace dml {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestDuration{100};
constexpr milliseconds kLongestDuration{7LL * 24 * 3600 * 1000};
constexpr std::size_t kLongestShown = 60;

[[noreturn]] void refuse(const std::string& flag, const std::string& text, const std::string& rule,
                         const std::string& fix) {
  throw UsageError("--" + flag + " " + shown(text) + ": " + rule + "." + (fix.empty() ? "" : " " + fix));
}

template <typename Number>
bool parse_whole(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string rule_of(IntegerRange range) {
  return "must be a whole number from " + std::to_string(range.low) + " to " + std::to_string(range.high);
}

std::string rule_of(RealRange range) {
  return "must be a number " + std::string(range.low_excluded ? "above " : "from ") + format_real(range.low) +
         (range.high_excluded ? " and below " : " to ") + format_real(range.high);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end == std::string::npos ? end : end - begin));
    if (end == std::string::npos) return parts;
    begin = end + 1;
  }
}

}  // namespace

std::string shown(const std::string& value) {
  std::string text = value.substr(0, kLongestShown);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char letter) { return letter < 0x20 || letter == 0x7f; }, '?');
  if (!is_utf8(value)) {
    std::replace_if(
        text.begin(), text.end(), [](unsigned char letter) { return letter >= 0x80; }, '?');
  }
  if (text.size() < value.size()) text += "...";
  if (text.empty() || text.find(' ') != std::string::npos) text = "'" + text + "'";
  return text;
}

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const int following = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || i + static_cast<std::size_t>(following) > text.size()) return false;
    std::uint32_t point = lead & (0x3fU >> following);
    for (int k = 0; k < following; ++k) {
      const auto next = static_cast<unsigned char>(text[i++]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3fU);
    }
    constexpr std::uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[following] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
  }
  return true;
}

std::string format_real(double value) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::string(text.data(), end) : std::to_string(value);
}

std::int64_t parse_integer(const std::string& flag, const std::string& text, IntegerRange range,
                           const std::string& fix) {
  std::int64_t value = 0;
  if (!parse_whole(text, value) || value < range.low || value > range.high)
    refuse(flag, text, rule_of(range), fix);
  return value;
}

std::uint64_t parse_seed(const std::string& flag, const std::string& text) {
  std::uint64_t value = 0;
  if (!parse_whole(text, value)) {
    refuse(flag, text, "must be a whole number from 0 to 18446744073709551615",
           "Write for example --" + flag + " 1.");
  }
  return value;
}

double parse_real(const std::string& flag, const std::string& text, RealRange range, const std::string& fix) {
  double value = 0;
  const bool parsed = parse_whole(text, value) && std::isfinite(value);
  const bool inside = parsed && (range.low_excluded ? value > range.low : value >= range.low) &&
                      (range.high_excluded ? value < range.high : value <= range.high);
  if (!inside) refuse(flag, text, rule_of(range), fix);
  return value;
}

milliseconds parse_duration(const std::string& flag, const std::string& text) {
  std::string_view number = text;
  double milliseconds_per_unit = 1000;
  for (const auto& [suffix, factor] :
       {std::pair{"ms", 1.0}, std::pair{"s", 1000.0}, std::pair{"m", 60000.0}}) {
    if (number.ends_with(suffix)) {
      number.remove_suffix(std::string_view(suffix).size());
      milliseconds_per_unit = factor;
      break;
    }
  }
  double value = 0;
  const bool parsed = parse_whole(number, value) && std::isfinite(value);
  const double in_milliseconds = std::round(value * milliseconds_per_unit);
  if (!parsed || in_milliseconds < static_cast<double>(kShortestDuration.count()) ||
      in_milliseconds > static_cast<double>(kLongestDuration.count())) {
    refuse(flag, text, "must be a time from 100 ms to 7 days",
           "Write seconds (--" + flag + " 60) or a unit (--" + flag + " 500ms).");
  }
  return milliseconds(static_cast<std::int64_t>(in_milliseconds));
}

std::vector<std::int64_t> parse_integer_list(const std::string& flag, const std::string& text,
                                             IntegerRange range, const std::string& fix) {
  std::vector<std::int64_t> values;
  for (const std::string& part : split(text, ',')) {
    std::int64_t value = 0;
    if (!parse_whole(part, value) || value < range.low || value > range.high) {
      refuse(flag, text, rule_of(range) + ", or several with commas between them", fix);
    }
    values.push_back(value);
  }
  return values;
}

std::string parse_address(const std::string& flag, const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::string host = text.substr(0, colon);
  std::int64_t port = 0;
  const bool is_bare_ipv6 =
      host.find(':') != std::string::npos && !(host.starts_with("[") && host.ends_with("]"));
  const bool has_strange_letter = std::any_of(host.begin(), host.end(), [](unsigned char letter) {
    return letter <= 0x20 || letter >= 0x7f || letter == '/';
  });
  if (colon == std::string::npos || host.empty() || is_bare_ipv6 || has_strange_letter ||
      !parse_whole(std::string_view(text).substr(colon + 1), port) || port < 1 || port > 65535) {
    refuse(flag, text, "must be host:port, with a port from 1 to 65535 and an IPv6 address in brackets",
           "Write for example --" + flag + " 127.0.0.1:29501.");
  }
  return text;
}

namespace {

/// The pairs of `list`, which is a part of `text`.
Arguments read_arguments(const std::string& flag, const std::string& text, const std::string& list,
                         const std::string& place) {
  Arguments result;
  for (const std::string& part : split(list, ',')) {
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    if (equals == std::string::npos || key.empty() || equals + 1 == part.size()) {
      refuse(flag, text,
             place + " come key=value pairs with commas between them, and " + shown(part) + " is none", "");
    }
    const bool twice = std::any_of(result.begin(), result.end(),
                                   [&](const auto& argument) { return argument.first == key; });
    if (twice) refuse(flag, text, "the key " + key + " is given twice", "Keep one of them.");
    result.emplace_back(key, part.substr(equals + 1));
  }
  return result;
}

}  // namespace

Arguments parse_arguments(const std::string& flag, const std::string& text) {
  return read_arguments(flag, text, text, "here");
}

NamedArguments parse_named_arguments(const std::string& flag, const std::string& text) {
  const std::size_t colon = text.find(':');
  NamedArguments result{text.substr(0, colon), {}};
  if (colon != std::string::npos) {
    result.arguments = read_arguments(flag, text, text.substr(colon + 1), "after the colon");
  }
  return result;
}

}  // namespace dml
