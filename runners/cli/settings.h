// The effective configuration: every value with where it came from. What --dry-run prints.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace dml {

struct Setting {
  enum class Source {
    fallback,
    flag,
    environment,
    derived
  };                  ///< in rising order of surprise; fallback: default
  std::string name;   ///< of the flag, without dashes
  std::string value;  ///< as it could be typed
  Source source = Source::fallback;
  std::string note;  ///< the variable, or how it was derived
};

std::string to_string(Setting::Source source);

/// A table of three columns: name, value, source.
std::string format_settings(std::span<const Setting> settings);

/// {"command": ..., "settings": [{"name", "value", "source", "note"}, ...]}.
std::string format_settings_json(const std::string& command, std::span<const Setting> settings);

}  // namespace dml
