#include "runners/report/unicode.h"

#include <cstddef>

namespace dml::report {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct Lead {
  std::size_t bytes;
  char32_t bits, smallest;
};

Lead read_lead(unsigned char byte) {
  if (byte < 0x80) return {1, byte, 0};
  if ((byte & 0xE0U) == 0xC0) return {2, byte & 0x1FU, 0x80};
  if ((byte & 0xF0U) == 0xE0) return {3, byte & 0x0FU, 0x800};
  if ((byte & 0xF8U) == 0xF0) return {4, byte & 0x07U, 0x10000};
  return {0, kReplacement, 0};
}

bool is_character(char32_t code_point) {
  return code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF);
}

}  // namespace

char32_t take_code_point(std::string_view& text) {
  const Lead lead = read_lead(static_cast<unsigned char>(text.front()));
  char32_t code_point = lead.bits;
  bool valid = lead.bytes > 0 && lead.bytes <= text.size();
  for (std::size_t i = 1; valid && i < lead.bytes; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    valid = (byte & 0xC0U) == 0x80;
    code_point = (code_point << 6U) | (byte & 0x3FU);
  }
  valid = valid && code_point >= lead.smallest && is_character(code_point);
  text.remove_prefix(valid ? lead.bytes : 1);
  return valid ? code_point : kReplacement;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto tail = [&](unsigned shift) {
    text += static_cast<char>(0x80U | ((code_point >> shift) & 0x3FU));
  };
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    text += static_cast<char>(0xC0U | (code_point >> 6U));
    tail(0);
  } else if (code_point < 0x10000) {
    text += static_cast<char>(0xE0U | (code_point >> 12U));
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xF0U | (code_point >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace dml::report
