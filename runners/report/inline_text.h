// The markup within a line of text: `code` between backticks. A backtick without a partner is a backtick.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dml::report {

struct TextPiece {
  std::string text;
  bool code = false;
};

/// In order, none of them empty.
std::vector<TextPiece> inline_pieces(std::string_view text);

}  // namespace dml::report
