// A report as one HTML file: no network, no script, light and dark, for screens, phones and paper.
#pragma once

#include <string>

#include "runners/report/document.h"

namespace dml::report {

std::string to_html(const Document& document);

}  // namespace dml::report
