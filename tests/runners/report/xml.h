// A strict reader of XML, for what a browser would forgive: every tag closed, every attribute quoted and
// once, no bare &, < or, but for style sheets, >, no characters that XML does not allow.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dml::report {

struct Element {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  ///< its own, entities resolved
  std::vector<Element> children;

  [[nodiscard]] std::string attribute(const std::string& key) const;
  [[nodiscard]] double number(const std::string& key) const;
  [[nodiscard]] bool has_class(const std::string& word) const;
};

/// The root. Throws std::runtime_error, which says where, when the text is not well-formed.
Element parse_xml(std::string_view text);

/// All elements of that name below (and with) the root, in the order of the text.
std::vector<Element> all_named(const Element& root, const std::string& name);
/// All elements of that class.
std::vector<Element> all_of_class(const Element& root, const std::string& css_class);

}  // namespace dml::report
