#include "runners/help.h"

#include <algorithm>
#include <optional>

#include "engine/data/dataset.h"
#include "kernels/base/error.h"
#include "runners/cli/flags.h"
#include "runners/cli/suggest.h"
#include "runners/cli/terminal.h"
#include "runners/cli/values.h"
#include "runners/help_topics.h"
#include "runners/launch/cores.h"
#include "runners/version.h"
#include "samplers/sampler.h"

namespace dml {
namespace {

constexpr std::size_t kFlagColumn = 28;
constexpr std::size_t kNameColumn = 16;

/// "  NAME      text", wrapped with the text in its own column.
std::string entry(std::string_view name, std::string_view text, std::size_t column) {
  std::string line = "  " + std::string(name);
  line += line.size() + 2 > column ? "\n" + std::string(column, ' ') : std::string(column - line.size(), ' ');
  const std::string body = wrapped(text, kTextColumns - column, 0);
  for (const char letter : body)
    line += letter == '\n' ? "\n" + std::string(column, ' ') : std::string(1, letter);
  return line + "\n";
}

std::string flag_entry(const FlagSpec& flag) {
  std::string name = "--" + std::string(flag.name);
  if (!flag.value.empty()) name += " " + std::string(flag.value);
  std::string text(flag.help);
  const std::string_view fallback = flag.shown_default.empty() ? flag.fallback : flag.shown_default;
  if (!fallback.empty()) text += " [" + std::string(fallback) + "]";
  return entry(name, text, kFlagColumn);
}

std::string command_help(const CommandSpec& spec) {
  std::string text =
      "usage: dml_engine " + std::string(spec.name) + " [flags]\n\n" + std::string(spec.summary) + "\n";
  std::optional<FlagGroup> group;
  for (const FlagSpec& flag : flag_specs()) {
    if ((flag.commands & bit_of(spec.command)) == 0) continue;
    if (group != flag.group) text += "\n" + std::string(title_of(flag.group)) + "\n";
    group = flag.group;
    text += flag_entry(flag);
  }
  return text;
}

std::string samplers_help() {
  std::string text =
      "A sampler says which sample goes to which replica, in which order. The order of an epoch depends on\n"
      "--seed, the epoch, the sampler and --partitions alone. Where --partitions says how many lists there\n"
      "are, \"replica\" and W below mean those: batches are then the same on any number of ranks.\n\n";
  for (const SamplerDescription& sampler : sampler_descriptions()) {
    text += entry("--sampler " + sampler.name, sampler.summary, kFlagColumn);
  }
  return text;
}

std::string general_help() {
  std::string text = "usage: dml_engine [COMMAND] [flags]\n\nCommands\n";
  for (const CommandSpec& spec : command_specs()) text += entry(spec.name, spec.summary, kNameColumn);
  text += "\nTopics of `dml_engine help TOPIC`\n";
  for (const HelpTopic& topic : help_topics()) text += entry(topic.name, topic.summary, kNameColumn);
  text += entry("samplers", "which sample goes to which replica", kNameColumn);
  text += "\n`dml_engine COMMAND --help` lists the flags of a command.\n";
  return text;
}

/// The data set that commands on this machine can use without more ado.
std::string available_dataset() {
  for (const char* name : {"fashion-mnist", "mnist"}) {
    if (!find_dataset(name, "").empty()) return name;
  }
  return "synthetic";
}

}  // namespace

std::vector<std::string> help_topic_names() {
  std::vector<std::string> names;
  for (const HelpTopic& topic : help_topics()) names.emplace_back(topic.name);
  names.emplace_back("samplers");
  return names;
}

std::string help(const std::vector<std::string>& topic) {
  if (topic.empty()) return general_help();
  if (topic.size() > 1)
    throw UsageError("help takes one topic at a time; leave out " + shown(topic[1]) + ".");
  const std::string& name = topic.front();
  if (name == "samplers") return samplers_help();
  for (const HelpTopic& known : help_topics()) {
    if (known.name == name) return std::string(known.text);
  }
  if (name == "help") return general_help();
  for (const CommandSpec& spec : command_specs()) {
    if (spec.name == name) return command_help(spec);
  }
  if (const FlagSpec* flag = find_flag(name.substr(std::min(name.find_first_not_of('-'), name.size())))) {
    return flag_entry(*flag);
  }
  std::vector<std::string> known = help_topic_names();
  const std::vector<std::string> commands = command_names();
  known.insert(known.end(), commands.begin(), commands.end());
  const std::optional<std::string> near = nearest(name, known);
  throw UsageError(
      "help " + shown(name) + ": there is no such topic. " +
      (near ? "Did you mean " + *near + "?" : "The topics are " + alternatives(help_topic_names()) + "."));
}

std::string overview(const Environment& environment) {
  const NvidiaInventory gpus = environment.find_gpus();
  const std::string dataset = available_dataset();
  const std::string folder = dataset == "synthetic" ? "" : find_dataset(dataset, "");
  const std::string with_data = dataset == "fashion-mnist" ? "" : " --dataset " + dataset;
  const std::string& program = environment.program;
  const std::string cores =
      std::to_string(environment.usable_cores) + " usable core" + (environment.usable_cores == 1 ? "" : "s");

  std::string text =
      "dml_engine " + std::string(version()) + " trains convolutional networks on one device or many.\n\n";
  text += "  CPU   " + cpu_name() + ", " + cores + "\n";
  text += "  GPU   " + gpus.describe() +
          (gpus.devices.empty() || environment.least_compute ? "" : "; this build has no CUDA backend") +
          "\n";
  text += "  data  " +
          (folder.empty() ? "no data set found (see `help data`); synthetic data stands in"
                          : dataset + " in " + folder) +
          "\n\n";
  text += "Try\n";
  text += "  " + program + " demo" + with_data + "\n";
  text += "  " + program + " train --epochs 1" + with_data + "\n";
  text += "  " + program + " train --epochs 1 --mode data-parallel --ranks 2" + with_data + "\n\n";
  text += "`" + program + " help` lists commands and topics.\n";
  return text;
}

}  // namespace dml
