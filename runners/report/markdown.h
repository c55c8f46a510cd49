// A report as Markdown (GitHub's dialect) with its figures as files beside it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runners/report/document.h"

namespace dml::report {

/// Figures are links to figure_folder/ID.svg ("figures"; "" for the same folder).
std::string to_markdown(const Document& document, std::string_view figure_folder);

struct FigureFile {
  std::string name;  ///< "ID.svg"
  std::string text;
};

/// The files that to_markdown links to, in the order of the document.
std::vector<FigureFile> figure_files(const Document& document);

}  // namespace dml::report
