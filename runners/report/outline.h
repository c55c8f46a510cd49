// The anchors of a document: one per heading and figure, in the order of its blocks, each of them once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runners/report/document.h"

namespace dml::report {

struct HeadingAnchor {
  int level = 2;
  std::string text, id;
};

struct Outline {
  std::vector<HeadingAnchor> headings;
  std::vector<std::string> figures;  ///< ids
};

/// Two blocks that ask for the same id get id and id-2.
Outline outline(const Document& document);

/// "What it costs, in ms" -> "what-it-costs-in-ms": a-z, 0-9 and hyphens; "part" when nothing is left.
std::string make_id(std::string_view text);

/// In the order of the document; the sides of a SideBySide one after the other.
std::vector<const Figure*> figures_of(const Document& document);

}  // namespace dml::report
