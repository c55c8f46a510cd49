#include "tests/runners/report/xml.h"

#include <cctype>
#include <set>
#include <sstream>
#include <stdexcept>

namespace dml::report {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Element read_document() {
    skip_blanks();
    Element root = read_element();
    skip_blanks();
    if (at_ < text_.size()) fail("something after the root");
    return root;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    const std::size_t from = at_ < 60 ? 0 : at_ - 60;
    throw std::runtime_error(what + " at " + std::to_string(at_) + ": ..." +
                             std::string(text_.substr(from, 120)));
  }
  [[nodiscard]] char peek() const {
    if (at_ >= text_.size()) fail("the text ends early");
    return text_[at_];
  }
  void expect(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) fail("expected " + std::string(word));
    at_ += word.size();
  }
  bool skip_blanks() {
    const std::size_t before = at_;
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    return at_ > before;
  }
  std::string read_name() {
    std::string name;
    const auto belongs = [&](char c) {
      const bool letter = std::isalpha(static_cast<unsigned char>(c)) != 0;
      return letter || (!name.empty() && (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '-'));
    };
    while (belongs(peek())) name += text_[at_++];
    if (name.empty()) fail("expected a name");
    return name;
  }
  std::string read_character(bool in_style = false) {
    const char c = peek();
    if (c == '<' || (c == '>' && !in_style)) fail("a bare angle bracket");
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') fail("a control character");
    ++at_;
    if (c != '&') return {c};
    static const std::map<std::string, std::string> entities = {
        {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"#39", "'"}};
    const std::size_t end = text_.find(';', at_);
    if (end == std::string_view::npos) fail("a bare &");
    const auto found = entities.find(std::string(text_.substr(at_, end - at_)));
    if (found == entities.end()) fail("an unknown entity");
    at_ = end + 1;
    return found->second;
  }
  void read_attribute(Element& element) {
    const std::string key = read_name();
    expect("=\"");
    std::string value;
    while (peek() != '"') value += read_character();
    ++at_;
    if (!element.attributes.emplace(key, value).second) fail("attribute " + key + " twice");
  }
  Element read_element() {
    expect("<");
    Element element;
    element.name = read_name();
    while (skip_blanks()) {
      if (peek() == '/' || peek() == '>') break;
      read_attribute(element);
    }
    if (peek() == '/') {
      expect("/>");
      return element;
    }
    expect(">");
    while (text_.substr(at_, 2) != "</") {
      if (peek() == '<') {
        element.children.push_back(read_element());
      } else {
        element.text += read_character(element.name == "style");
      }
    }
    expect("</" + element.name + ">");
    return element;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

template <typename Wanted>
void collect(const Element& element, const Wanted& wanted, std::vector<Element>& found) {
  if (wanted(element)) found.push_back(element);
  for (const Element& child : element.children) collect(child, wanted, found);
}

}  // namespace

std::string Element::attribute(const std::string& key) const {
  const auto found = attributes.find(key);
  return found == attributes.end() ? std::string() : found->second;
}

double Element::number(const std::string& key) const {
  std::size_t used = 0;
  const std::string value = attribute(key);
  const double result = std::stod(value, &used);
  if (used != value.size()) throw std::runtime_error(key + " is not a number: " + value);
  return result;
}

bool Element::has_class(const std::string& word) const {
  std::istringstream words(attribute("class"));
  for (std::string each; words >> each;) {
    if (each == word) return true;
  }
  return false;
}

Element parse_xml(std::string_view text) {
  return Reader(text).read_document();
}

std::vector<Element> all_named(const Element& root, const std::string& name) {
  std::vector<Element> found;
  collect(
      root, [&](const Element& element) { return element.name == name; }, found);
  return found;
}

std::vector<Element> all_of_class(const Element& root, const std::string& css_class) {
  std::vector<Element> found;
  collect(
      root, [&](const Element& element) { return element.has_class(css_class); }, found);
  return found;
}

}  // namespace dml::report
