#include "runners/cli/flag_reader.h"

#include <algorithm>

#include "kernels/base/error.h"
#include "runners/cli/flags.h"
#include "runners/cli/suggest.h"

namespace dml {
namespace {

/// "Write for example --lr 0.01.", from the table's default where it has one.
std::string example(const FlagSpec& flag) {
  if (flag.fallback.empty()) return "";
  return "Write for example --" + std::string(flag.name) + " " + std::string(flag.fallback) + ".";
}

}  // namespace

void refuse_choice(const std::string& flag, const std::string& value, std::span<const std::string> choices,
                   const std::optional<std::string>& meant) {
  std::string message = "--" + flag + " " + shown(value) + ": must be " + alternatives(choices) + ".";
  const std::optional<std::string> near = meant ? meant : nearest(value, choices);
  if (near) message += " Did you mean --" + flag + " " + *near + "?";
  throw UsageError(message);
}

std::string FlagReader::raw(std::string_view flag) const {
  return given(flag) ? typed(flag) : std::string(find_flag(flag)->fallback);
}

std::int64_t FlagReader::integer(std::string_view flag, IntegerRange range) {
  const std::int64_t value = parse_integer(std::string(flag), raw(flag), range, example(*find_flag(flag)));
  note_as_read(flag, std::to_string(value));
  return value;
}

double FlagReader::real(std::string_view flag, RealRange range) {
  const double value = parse_real(std::string(flag), raw(flag), range, example(*find_flag(flag)));
  note_as_read(flag, format_real(value));
  return value;
}

std::string FlagReader::choice(std::string_view flag, std::span<const std::string> choices) {
  std::string value = raw(flag);
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
    refuse_choice(std::string(flag), value, choices);
  }
  note_as_read(flag, value);
  return value;
}

std::string FlagReader::text(std::string_view flag) {
  if (given(flag) && typed(flag).empty()) {
    throw UsageError("--" + std::string(flag) + " '': the value is empty. Write --" + std::string(flag) +
                     " " + std::string(find_flag(flag)->value) + ", or leave the flag out.");
  }
  std::string value = raw(flag);
  if (!value.empty()) note_as_read(flag, value);
  return value;
}

bool FlagReader::is_on(std::string_view flag) {
  note_as_read(flag, given(flag) ? "on" : "off");
  return given(flag);
}

std::optional<std::int64_t> FlagReader::optional_integer(std::string_view flag, IntegerRange range) {
  if (!given(flag)) return std::nullopt;
  return integer(flag, range);
}

void FlagReader::note(std::string_view flag, const std::string& value, Setting::Source source,
                      const std::string& why) {
  settings_.push_back({std::string(flag), value, source, why});
}

void FlagReader::note_as_read(std::string_view flag, const std::string& value) {
  note(flag, value, given(flag) ? Setting::Source::flag : Setting::Source::fallback);
}

}  // namespace dml
