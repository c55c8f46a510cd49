// What a page looks like, but for its figures (style.h).
#pragma once

#include <string>

namespace dml::report {

/// Uses the colours of figure_style(); on paper without anything that only a screen needs.
std::string page_style();

}  // namespace dml::report
