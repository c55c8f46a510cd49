// Text for terminals: wrapped paragraphs, and whether colour is welcome.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runners/launch/contract.h"

namespace dml {

constexpr std::size_t kTextColumns = 96;

/// Breaks paragraphs at spaces so that no line is longer than `columns`, where words allow. Lines that begin
/// with a space are kept as they are (commands to copy). Every line but the first is indented by `indent`.
std::string wrapped(std::string_view text, std::size_t columns = kTextColumns, std::size_t indent = 0);

/// Quoted for a shell when it has to be.
std::string shell_word(const std::string& word);
/// Words as a line to paste into a shell.
std::string shell_line(std::span<const std::string> words);

/// True when `descriptor` is a terminal that understands colour and NO_COLOR is not set (no-color.org).
bool color_allowed(int descriptor, const Variables& variables);

}  // namespace dml
