#include "runners/cli/settings.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace dml {
namespace {

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width > text.size() ? width - text.size() : 0, ' ');
}

}  // namespace

std::string to_string(Setting::Source source) {
  switch (source) {
    case Setting::Source::fallback:
      return "default";
    case Setting::Source::flag:
      return "flag";
    case Setting::Source::environment:
      return "environment";
    case Setting::Source::derived:
      return "derived";
  }
  return "unknown";
}

std::string format_settings(std::span<const Setting> settings) {
  std::size_t name_width = 4;
  std::size_t value_width = 5;
  for (const Setting& setting : settings) {
    name_width = std::max(name_width, setting.name.size());
    value_width = std::max(value_width, setting.value.size());
  }
  std::string text = padded("name", name_width) + "  " + padded("value", value_width) + "  source\n";
  for (const Setting& setting : settings) {
    text += padded(setting.name, name_width) + "  " + padded(setting.value, value_width) + "  " +
            to_string(setting.source) + (setting.note.empty() ? "" : ": " + setting.note) + "\n";
  }
  return text;
}

std::string format_settings_json(const std::string& command, std::span<const Setting> settings) {
  nlohmann::ordered_json json;
  json["command"] = command;
  json["settings"] = nlohmann::ordered_json::array();
  for (const Setting& setting : settings) {
    json["settings"].push_back({{"name", setting.name},
                                {"value", setting.value},
                                {"source", to_string(setting.source)},
                                {"note", setting.note}});
  }
  // Arguments may hold any bytes; what is not UTF-8 is replaced.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace dml
