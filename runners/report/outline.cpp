#include "runners/report/outline.h"

#include <algorithm>
#include <set>
#include <variant>

namespace dml::report {
namespace {

/// Calls visit(heading) and visit(figure) in the order of the document.
template <typename Visit>
void visit_simple(const SimpleBlock& block, const Visit& visit) {
  if (const auto* heading = std::get_if<Heading>(&block)) visit(*heading);
  if (const auto* figure = std::get_if<Figure>(&block)) visit(*figure);
}

template <typename Visit>
void visit_anchored(const Document& document, const Visit& visit) {
  for (const Block& block : document.blocks) {
    if (const auto* heading = std::get_if<Heading>(&block)) visit(*heading);
    if (const auto* figure = std::get_if<Figure>(&block)) visit(*figure);
    if (const auto* sides = std::get_if<SideBySide>(&block)) {
      for (const SimpleBlock& simple : sides->left) visit_simple(simple, visit);
      for (const SimpleBlock& simple : sides->right) visit_simple(simple, visit);
    }
  }
}

class AnchorCollector {
 public:
  void add(const Heading& heading) {
    const std::string wanted = make_id(heading.id.empty() ? heading.text : heading.id);
    outline_.headings.push_back({std::clamp(heading.level, 2, 4), heading.text, unique(wanted)});
  }
  void add(const Figure& figure) {
    outline_.figures.push_back(unique(make_id(figure.id.empty() ? figure.title : figure.id)));
  }
  Outline take() { return std::move(outline_); }

 private:
  std::string unique(const std::string& wanted) {
    std::string id = wanted;
    for (int copy = 2; !taken_.insert(id).second; ++copy) id = wanted + "-" + std::to_string(copy);
    return id;
  }

  Outline outline_;
  std::set<std::string> taken_;
};

}  // namespace

Outline outline(const Document& document) {
  AnchorCollector collector;
  visit_anchored(document, [&](const auto& block) { collector.add(block); });
  return collector.take();
}

std::vector<const Figure*> figures_of(const Document& document) {
  struct Collector {
    std::vector<const Figure*>& figures;
    void operator()(const Figure& figure) const { figures.push_back(&figure); }
    void operator()(const Heading& /*heading*/) const {}
  };
  std::vector<const Figure*> figures;
  visit_anchored(document, Collector{figures});
  return figures;
}

std::string make_id(std::string_view text) {
  std::string id;
  for (const char character : text) {
    const bool upper = character >= 'A' && character <= 'Z';
    const bool kept =
        upper || (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
    if (kept) {
      id += upper ? static_cast<char>(character - 'A' + 'a') : character;
    } else if (!id.empty() && id.back() != '-') {
      id += '-';
    }
  }
  if (!id.empty() && id.back() == '-') id.pop_back();
  return id.empty() ? "part" : id;
}

}  // namespace dml::report
