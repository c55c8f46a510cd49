#include "runners/report/text_size.h"

#include <algorithm>
#include <array>

#include "runners/report/unicode.h"

namespace dml::report {
namespace {

// Advance widths of ' ' to '~' in hundredths of the font size.
constexpr std::array<int, 95> kAsciiWidths = {
    32, 41, 46, 84, 64, 96, 78, 28, 40,  40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 56, 102, 69, 69, 73, 78, 67, 62, 78, 76, 30, 50, 67, 56, 87, 75, 79,
    67, 79, 73, 67, 62, 74, 69, 99, 69,  67, 69, 40, 34, 40, 84, 56, 50, 62, 64, 55, 64, 62, 36, 64,
    64, 28, 28, 58, 28, 98, 64, 62, 64,  64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84};
constexpr double kBold = 1.14;           // DejaVu Sans Bold, over a line of text
constexpr char32_t kFirstWide = 0x1100;  // from here on: Hangul, CJK, symbols, emoji

double character_width(char32_t code_point) {
  if (code_point < ' ') return kAsciiWidths[0] / 100.0;
  if (code_point <= '~') return kAsciiWidths[code_point - ' '] / 100.0;
  return code_point < kFirstWide ? 0.85 : 1.05;
}

bool breaks_after(char character) {
  return std::string_view("-,:/=_").find(character) != std::string_view::npos;
}

/// The text in the pieces that a break may part; a piece ends in its blanks or its breaking character.
std::vector<std::string> split_pieces(std::string_view text) {
  std::vector<std::string> pieces;
  bool ended = true;
  for (const char character : text) {
    const bool blank = character == ' ';
    if (pieces.empty() || (ended && !blank)) pieces.emplace_back();
    pieces.back() += character;
    ended = blank || breaks_after(character);
  }
  return pieces;
}

std::string without_end_blanks(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

/// Appends a piece that is wider than a line, character by character.
void append_broken(std::vector<std::string>& lines, std::string_view piece, double size, double width,
                   bool bold) {
  while (!piece.empty()) {
    std::string character;
    append_utf8(character, take_code_point(piece));
    const bool fits = text_width(lines.back() + character, size, bold) <= width;
    if (!fits && !lines.back().empty()) lines.emplace_back();
    lines.back() += character;
  }
}

}  // namespace

double text_width(std::string_view text, double size, bool bold) {
  double width = 0;
  while (!text.empty()) width += character_width(take_code_point(text));
  return width * size * (bold ? kBold : 1);
}

std::vector<std::string> wrap_text(std::string_view text, double size, double width, bool bold) {
  std::vector<std::string> lines(1);
  for (const std::string& piece : split_pieces(text)) {
    if (text_width(without_end_blanks(lines.back() + piece), size, bold) <= width) {
      lines.back() += piece;
      continue;
    }
    if (!lines.back().empty()) lines.emplace_back();
    append_broken(lines, without_end_blanks(piece), size, width, bold);
    if (piece.back() == ' ') lines.back() += ' ';
  }
  for (std::string& line : lines) line = without_end_blanks(line);
  return lines;
}

double lines_width(const std::vector<std::string>& lines, double size, bool bold) {
  double width = 0;
  for (const std::string& line : lines) width = std::max(width, text_width(line, size, bold));
  return width;
}

}  // namespace dml::report
