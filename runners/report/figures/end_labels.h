// Names at the ends of lines, moved apart where lines end close together.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace dml::report {

struct EndLabel {
  std::size_t series = 0;
  std::vector<std::string> lines;  ///< the name, wrapped
  double wanted = 0;               ///< y of the line's end
  double middle = 0;               ///< y given to the label
};

/// In the order of `wanted`, none above another's, all within [top, bottom]; nothing when they do not fit.
std::optional<std::vector<EndLabel>> place_end_labels(std::vector<EndLabel> labels, double top,
                                                      double bottom);

}  // namespace dml::report
