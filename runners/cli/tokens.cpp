// cxxopts without std::regex: its matcher recurses once per letter, which long words turn into a stack
// overflow.
#define CXXOPTS_NO_REGEX 1
#include "runners/cli/tokens.h"

#include <algorithm>
#include <cxxopts.hpp>
#include <optional>

#include "kernels/base/error.h"
#include "runners/cli/flags.h"
#include "runners/cli/suggest.h"
#include "runners/cli/values.h"

namespace dml {
namespace {

cxxopts::Options make_options() {
  cxxopts::Options options("dml_engine");
  options.allow_unrecognised_options();  // so that the messages are ours
  for (const FlagSpec& flag : flag_specs()) {
    const std::string name(flag.name);
    if (flag.value.empty()) {
      options.add_options()(name, "", cxxopts::value<bool>());
    } else {
      options.add_options()(name, "", cxxopts::value<std::string>());
    }
  }
  options.add_options()("h,help", "", cxxopts::value<bool>());
  options.add_options()("version", "", cxxopts::value<bool>());
  return options;
}

/// `word` starts with '-' and is no flag of ours.
[[noreturn]] void refuse_flag(const std::string& word) {
  const std::size_t begin = word.find_first_not_of('-');
  const std::string name = begin == std::string::npos ? "" : word.substr(begin, word.find('=') - begin);
  std::string message = shown(word.substr(0, word.find('='))) + ": there is no such flag.";
  const std::vector<std::string> known = flag_names();
  if (const bool exact = std::find(known.begin(), known.end(), name) != known.end(); exact) {
    message += " Flags have two dashes: write --" + name + ".";
  } else if (const std::optional<std::string> meant = foreign_flag(name)) {
    message += " Here it is " + *meant + ".";
  } else if (const std::optional<std::string> near = nearest(name, known)) {
    message += " Did you mean --" + *near + "?";
  } else {
    message += " `dml_engine help train` lists them.";
  }
  throw UsageError(message);
}

Command find_command(const std::string& word) {
  for (const CommandSpec& spec : command_specs()) {
    if (spec.name == word) return spec.command;
  }
  const std::vector<std::string> known = command_names();
  std::string message = shown(word) + ": there is no such command.";
  if (const std::optional<std::string> near = nearest(word, known)) {
    message += " Did you mean " + *near + "?";
  } else if (foreign_mode(word) ||
             nearest(word, std::vector<std::string>{"single", "data-parallel", "model-parallel"})) {
    message += " For a mode write --mode " + foreign_mode(word).value_or(word) + ".";
  } else {
    message += " The commands are " + alternatives(known) + ".";
  }
  throw UsageError(message);
}

/// cxxopts splits "-lr" into the letters l and r; this finds the word that was typed.
std::string word_with(std::span<const std::string> words, const std::string& fragment) {
  const auto typed = std::find_if(words.begin(), words.end(), [&](const std::string& word) {
    return word.size() > 1 && word[0] == '-' && word[1] != '-' &&
           word.find(fragment.substr(1)) != std::string::npos;
  });
  return typed == words.end() ? fragment : *typed;
}

cxxopts::ParseResult parse(cxxopts::Options& options, std::span<const std::string> words) {
  std::vector<const char*> arguments = {"dml_engine"};
  for (const std::string& word : words) arguments.push_back(word.c_str());
  try {
    return options.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const cxxopts::exceptions::missing_argument&) {
    const FlagSpec* flag = find_flag(words.back().substr(std::min<std::size_t>(2, words.back().size())));
    throw UsageError(words.back() + ": the value is missing. Write " + words.back() + " " +
                     std::string(flag == nullptr ? "VALUE" : flag->value) + ".");
  } catch (const cxxopts::exceptions::incorrect_argument_type&) {
    const auto culprit = std::find_if(words.begin(), words.end(), [](const std::string& word) {
      const std::size_t equals = word.find('=');
      const FlagSpec* flag = word.starts_with("--") ? find_flag(word.substr(2, equals - 2)) : nullptr;
      const bool is_switch = (flag != nullptr && flag->value.empty()) || word.starts_with("--help=") ||
                             word.starts_with("--version=");
      return is_switch && equals != std::string::npos;
    });
    throw UsageError((culprit == words.end() ? std::string("a switch") : shown(*culprit)) +
                     ": this flag is on or off and takes no value. Write it alone.");
  } catch (const cxxopts::exceptions::exception& error) {
    throw UsageError(std::string(error.what()) + ". `dml_engine help train` lists the flags.");
  }
}

}  // namespace

Tokens tokenize(std::span<const std::string> words) {
  for (const std::string& word : words) {
    // Results and checkpoints hold the configuration as JSON, which is UTF-8.
    if (!is_utf8(word)) throw UsageError(shown(word) + ": this word is not UTF-8. Rename the file it names.");
  }
  cxxopts::Options options = make_options();
  const cxxopts::ParseResult result = parse(options, words);

  Tokens tokens;
  std::vector<std::string> positional;
  for (const std::string& word : result.unmatched()) {
    if (word.size() > 1 && word[0] == '-') refuse_flag(word[1] == '-' ? word : word_with(words, word));
    positional.push_back(word);
  }
  for (const FlagSpec& flag : flag_specs()) {
    const std::string name(flag.name);
    const std::size_t count = result.count(name);
    if (count == 0) continue;
    if (count > 1) {
      throw UsageError("--" + name + " is given " + std::to_string(count) + " times. Keep one of them.");
    }
    if (!flag.value.empty()) {
      tokens.values[name] = result[name].as<std::string>();
    } else if (result[name].as<bool>()) {
      tokens.values[name] = "on";
    }
  }
  tokens.help = result.count("help") > 0;
  tokens.version = result.count("version") > 0;
  if (!positional.empty()) {
    tokens.command = find_command(positional.front());
    tokens.words.assign(positional.begin() + 1, positional.end());
  }
  return tokens;
}

}  // namespace dml
