// From the text of a flag's value to a checked value. Every message names the flag, the value, the rule and
// the fix.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dml {

struct IntegerRange {
  std::int64_t low = 0, high = 0;  ///< both included
};

struct RealRange {
  double low = 0, high = 0;
  bool low_excluded = false, high_excluded = false;
};

/// A whole decimal number within `range`. `fix` ends the message: "Write for example --batch 32."
std::int64_t parse_integer(const std::string& flag, const std::string& text, IntegerRange range,
                           const std::string& fix);

/// 0 to 2^64 - 1.
std::uint64_t parse_seed(const std::string& flag, const std::string& text);

/// A finite decimal number within `range`.
double parse_real(const std::string& flag, const std::string& text, RealRange range, const std::string& fix);

/// Seconds, or with a unit: "60", "1.5", "60s", "500ms", "2m"; from 100 ms to 7 days.
std::chrono::milliseconds parse_duration(const std::string& flag, const std::string& text);

/// "1,2,5".
std::vector<std::int64_t> parse_integer_list(const std::string& flag, const std::string& text,
                                             IntegerRange range, const std::string& fix);

/// Checks "host:port" and returns it.
std::string parse_address(const std::string& flag, const std::string& text);

/// Keys and values in the order written, no key twice.
using Arguments = std::vector<std::pair<std::string, std::string>>;

/// "rank=1,ms=20".
Arguments parse_arguments(const std::string& flag, const std::string& text);

/// NAME[:key=value,...].
struct NamedArguments {
  std::string name;
  Arguments arguments;
};
NamedArguments parse_named_arguments(const std::string& flag, const std::string& text);

/// "0.9", "1e-08": the shortest text that reads back as the same number.
std::string format_real(double value);

/// True for well-formed UTF-8 (RFC 3629): no stray or missing continuation, nothing overlong, no surrogates.
bool is_utf8(std::string_view text);

/// The value as messages show it: quoted when empty or with spaces, cut when very long, control characters
/// replaced.
std::string shown(const std::string& value);

}  // namespace dml
