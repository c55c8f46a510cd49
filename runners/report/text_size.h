// How much room text takes, without a font at hand.
//
// Widths are those of DejaVu Sans, the widest of the faces that system-ui and sans-serif stand for (Segoe UI,
// San Francisco, Roboto, Arial and Liberation Sans are narrower): what fits by this estimate fits
// everywhere. Characters beyond ASCII count as wide as the widest of their kind.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dml::report {

double text_width(std::string_view text, double size, bool bold = false);

/// The text in lines of at most `width`: broken at blanks and after - , : / = _ ; where that is not enough,
/// anywhere. Nothing is left out except the blanks at breaks; at least one line.
std::vector<std::string> wrap_text(std::string_view text, double size, double width, bool bold = false);

/// The widest of them.
double lines_width(const std::vector<std::string>& lines, double size, bool bold = false);

}  // namespace dml::report
