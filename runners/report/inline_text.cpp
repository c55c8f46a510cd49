#include "runners/report/inline_text.h"

namespace dml::report {

std::vector<TextPiece> inline_pieces(std::string_view text) {
  std::vector<TextPiece> pieces;
  std::string plain;
  const auto end_plain = [&] {
    if (!plain.empty()) pieces.push_back({plain, false});
    plain.clear();
  };
  while (!text.empty()) {
    const std::size_t open = text.find('`');
    const std::size_t close = open == std::string_view::npos ? open : text.find('`', open + 1);
    if (close == std::string_view::npos || close == open + 1) {
      const std::size_t taken = close == std::string_view::npos ? text.size() : close + 1;
      plain += text.substr(0, taken);
      text.remove_prefix(taken);
      continue;
    }
    plain += text.substr(0, open);
    end_plain();
    pieces.push_back({std::string(text.substr(open + 1, close - open - 1)), true});
    text.remove_prefix(close + 1);
  }
  end_plain();
  return pieces;
}

}  // namespace dml::report
