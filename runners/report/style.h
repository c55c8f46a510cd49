// The colours and strokes of figures, as a style sheet: shared by pages and by figures in files of their own.
#pragma once

#include <string>

namespace dml::report {

/// Colours are variables of :root, light on paper and on light screens, dark on dark ones; rules begin with
/// "svg", so that they do not reach the rest of a page.
std::string figure_style();

}  // namespace dml::report
