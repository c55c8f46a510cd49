// The table of commands and flags: parser and help are both made from it, so they cannot disagree.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runners/cli/invocation.h"

namespace dml {

enum class FlagGroup {
  split,
  devices,
  kernels,
  model,
  data,
  training,
  data_parallel,
  model_parallel,
  stragglers,
  benchmark,
  study,
  run
};

struct FlagSpec {
  FlagGroup group;
  std::string_view name;           ///< without dashes
  std::string_view value;          ///< what follows, for help ("N"); empty: a switch
  std::string_view fallback;       ///< the default as it could be typed; empty: none, or derived
  std::string_view shown_default;  ///< the default as help shows it where `fallback` does not say it
  unsigned commands;               ///< bit_of() of every command that takes it
  std::string_view help;
};

constexpr unsigned bit_of(Command command) {
  return 1U << static_cast<unsigned>(command);
}

std::span<const FlagSpec> flag_specs();

/// Null when there is no such flag.
const FlagSpec* find_flag(std::string_view name);

std::vector<std::string> flag_names();

std::string_view title_of(FlagGroup group);

struct CommandSpec {
  Command command;
  std::string_view name;
  std::string_view summary;
};

std::span<const CommandSpec> command_specs();

std::vector<std::string> command_names();

}  // namespace dml
