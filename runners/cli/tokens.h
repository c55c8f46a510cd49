// From words to flags: which flags a command line holds, each known and given once. Values are still text.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runners/cli/invocation.h"

namespace dml {

struct Tokens {
  Command command = Command::none;  ///< none when no word names one
  std::vector<std::string> words;   ///< those after the command that belong to no flag
  std::map<std::string, std::string, std::less<>>
      values;  ///< flag without dashes -> text; a switch that is on: "on"
  bool help = false;
  bool version = false;

  [[nodiscard]] bool given(std::string_view flag) const { return values.find(flag) != values.end(); }
};

/// Throws UsageError for an unknown command or flag (with what was probably meant), a flag given twice or
/// without its value.
Tokens tokenize(std::span<const std::string> words);

}  // namespace dml
