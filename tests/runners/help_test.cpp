// Help: short where nothing was asked, complete where something was, and never wider than a terminal.
#include "runners/help.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <sstream>

#include "kernels/base/error.h"
#include "runners/cli/flags.h"
#include "runners/cli/parse.h"
#include "runners/cli/terminal.h"

namespace dml {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

Environment machine() {
  Environment environment;
  environment.usable_cores = 2;
  environment.find_gpus = [] { return NvidiaInventory{"no NVIDIA driver", "", {}}; };
  return environment;
}

TEST(Overview, FitsFifteenLinesAndNamesTheDevices) {
  const std::string text = overview(machine());
  EXPECT_LE(lines_of(text).size(), 15U);
  EXPECT_NE(text.find("2 usable cores"), std::string::npos) << text;
  EXPECT_NE(text.find("no NVIDIA driver"), std::string::npos) << text;
}

TEST(Overview, ShowsThreeCommandsThatParse) {
  int commands = 0;
  for (const std::string& line : lines_of(overview(machine()))) {
    if (!line.starts_with("  dml_engine ")) continue;
    ++commands;
    std::istringstream stream(line.substr(13));
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    EXPECT_NO_THROW(static_cast<void>(parse_command_line(words, machine()))) << line;
  }
  EXPECT_EQ(commands, 3);
}

TEST(Help, NoTextIsWiderThanATerminal) {
  std::vector<std::vector<std::string>> topics = {{}};
  for (const std::string& name : help_topic_names()) topics.push_back({name});
  for (const std::string& name : command_names()) topics.push_back({name});
  for (const auto& topic : topics) {
    for (const std::string& line : lines_of(help(topic))) {
      EXPECT_LE(line.size(), 100U) << line;
    }
  }
}

TEST(Help, EveryFlagIsListedUnderEachOfItsCommands) {
  for (const CommandSpec& command : command_specs()) {
    const std::string text = help({std::string(command.name)});
    for (const FlagSpec& flag : flag_specs()) {
      if ((flag.commands & bit_of(command.command)) == 0) continue;
      EXPECT_NE(text.find("--" + std::string(flag.name)), std::string::npos)
          << command.name << " " << flag.name;
    }
  }
}

TEST(Help, SamplersAreThoseThatExist) {
  const std::string text = help({"samplers"});
  EXPECT_NE(text.find("--sampler balanced"), std::string::npos);
  EXPECT_NE(text.find("--sampler random"), std::string::npos);
}

TEST(Help, AFlagIsATopicToo) {
  EXPECT_NE(help({"mode"}).find("--mode MODE"), std::string::npos);
  EXPECT_EQ(help({"--mode"}), help({"mode"}));
}

TEST(Help, UnknownTopicSuggestsTheNearest) {
  try {
    static_cast<void>(help({"mdoes"}));
    FAIL() << "there is no topic mdoes";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("Did you mean modes?"), std::string::npos) << error.what();
  }
  EXPECT_THROW(static_cast<void>(help({"modes", "data"})), UsageError);
}

TEST(Wrapped, BreaksAtSpacesAndKeepsLinesThatBeginWithOne) {
  EXPECT_EQ(wrapped("one two three", 7), "one two\nthree");
  EXPECT_EQ(wrapped("one two three", 7, 2), "one two\n  three");
  EXPECT_EQ(wrapped("a\n  command that is long", 5), "a\n  command that is long");
  EXPECT_EQ(wrapped("unbreakable", 5), "unbreakable");
  EXPECT_EQ(wrapped("", 5), "");
}

TEST(ColorAllowed, NotOnAPipe) {
  EXPECT_FALSE(color_allowed(-1, {{"TERM", "xterm"}}));
}

}  // namespace
}  // namespace dml
