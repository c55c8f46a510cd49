#include "runners/report/figures/end_labels.h"

#include <algorithm>

#include "runners/report/figures/parts.h"

namespace dml::report {
namespace {

double half_height(const EndLabel& label) {
  return kLineHeight * static_cast<double>(label.lines.size()) / 2;
}

}  // namespace

std::optional<std::vector<EndLabel>> place_end_labels(std::vector<EndLabel> labels, double top,
                                                      double bottom) {
  double needed = 0;
  for (const EndLabel& label : labels) needed += 2 * half_height(label);
  if (needed > bottom - top) return std::nullopt;
  std::stable_sort(labels.begin(), labels.end(),
                   [](const EndLabel& left, const EndLabel& right) { return left.wanted < right.wanted; });
  // Down from the top, each as high as it wants to be; then up from the bottom, where they overflowed.
  double free_from = top;
  for (EndLabel& label : labels) {
    label.middle = std::max(label.wanted, free_from + half_height(label));
    free_from = label.middle + half_height(label);
  }
  double free_to = bottom;
  for (std::size_t i = labels.size(); i-- > 0;) {
    labels[i].middle = std::min(labels[i].middle, free_to - half_height(labels[i]));
    free_to = labels[i].middle - half_height(labels[i]);
  }
  return labels;
}

}  // namespace dml::report
