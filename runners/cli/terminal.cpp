#include "runners/cli/terminal.h"

#include <algorithm>
#include <cctype>
#include <unistd.h>

namespace dml {

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
  std::string result;
  const std::string margin(indent, ' ');
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (begin > 0) result += "\n" + (line.empty() ? "" : margin);
    if (line.starts_with(' ')) {
      result += line;
    } else {
      std::size_t column = begin > 0 ? indent : 0;
      bool first_word = true;
      while (!line.empty()) {
        const std::size_t space = std::min(line.find(' '), line.size());
        const std::string_view word = line.substr(0, space);
        line.remove_prefix(std::min(space + 1, line.size()));
        if (!first_word && column + 1 + word.size() > columns) {
          result += "\n" + margin;
          column = indent;
          first_word = true;
        }
        if (!first_word) {
          result += ' ';
          ++column;
        }
        result += word;
        column += word.size();
        first_word = false;
      }
    }
    begin = end + 1;
  }
  return result;
}

std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char letter) {
    return std::isalnum(letter) != 0 ||
           std::string_view("-_./:=,+@%").find(static_cast<char>(letter)) != std::string_view::npos;
  });
  if (plain) return word;
  std::string result = "'";
  for (const char letter : word) result += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return result + "'";
}

std::string shell_line(std::span<const std::string> words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + shell_word(word);
  return line;
}

bool color_allowed(int descriptor, const Variables& variables) {
  const auto is_set = [&](const char* name) {
    const auto found = variables.find(name);
    return found != variables.end() && !found->second.empty();
  };
  const auto terminal = variables.find("TERM");
  return isatty(descriptor) == 1 && !is_set("NO_COLOR") && terminal != variables.end() &&
         terminal->second != "dumb";
}

}  // namespace dml
