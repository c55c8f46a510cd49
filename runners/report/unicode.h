// UTF-8 taken apart and put together, for text that comes from anywhere.
#pragma once

#include <string>
#include <string_view>

namespace dml::report {

/// Takes the first character off a text that is not empty. What is not UTF-8 (a stray byte, a surrogate, an
/// overlong form) comes out as U+FFFD, byte by byte.
char32_t take_code_point(std::string_view& text);

void append_utf8(std::string& text, char32_t code_point);

}  // namespace dml::report
