// Reads flags one by one, falls back to their defaults and keeps the source of every value.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runners/cli/settings.h"
#include "runners/cli/tokens.h"
#include "runners/cli/values.h"

namespace dml {

class FlagReader {
 public:
  FlagReader(const Tokens& tokens, std::vector<Setting>& settings) : tokens_(tokens), settings_(settings) {}

  [[nodiscard]] bool given(std::string_view flag) const { return tokens_.given(flag); }
  /// The text as typed; only for flags that are given.
  [[nodiscard]] const std::string& typed(std::string_view flag) const {
    return tokens_.values.find(flag)->second;
  }

  /// The text as typed, or the default; notes nothing.
  [[nodiscard]] std::string raw(std::string_view flag) const;

  // Each of these reads a flag, or its default in the table of flags, and notes value and source.
  std::int64_t integer(std::string_view flag, IntegerRange range);
  double real(std::string_view flag, RealRange range);
  /// One of `choices`; anything else is refused with the nearest of them.
  std::string choice(std::string_view flag, std::span<const std::string> choices);
  /// A path or name: any text but none.
  std::string text(std::string_view flag);
  bool is_on(std::string_view flag);
  /// A flag without a default: noted only when given.
  std::optional<std::int64_t> optional_integer(std::string_view flag, IntegerRange range);

  /// Notes a value that was found in another way.
  void note(std::string_view flag, const std::string& value, Setting::Source source,
            const std::string& why = "");
  /// flag or default, as the user typed it or not.
  void note_as_read(std::string_view flag, const std::string& value);

 private:
  const Tokens& tokens_;
  std::vector<Setting>& settings_;
};

/// "--mode tandem: must be single, data-parallel or model-parallel. Did you mean ...?" `meant` may be known
/// already.
[[noreturn]] void refuse_choice(const std::string& flag, const std::string& value,
                                std::span<const std::string> choices,
                                const std::optional<std::string>& meant = std::nullopt);

}  // namespace dml
