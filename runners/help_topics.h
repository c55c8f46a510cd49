// The texts of `dml_engine help TOPIC`.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace dml {

struct HelpTopic {
  std::string_view name;
  std::string_view summary;
  std::string_view text;  ///< at most 96 columns; ends with a newline
};

/// `samplers` is not among them: its text comes from the samplers.
std::span<const HelpTopic> help_topics();

}  // namespace dml
