#include "samplers/arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace dml {
namespace {

constexpr double kLargestReal = 1e6;
constexpr std::int64_t kLargestInteger = INT32_MAX;

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// The whole text as a number, or false.
template <class T>
bool read(const std::string& text, T& value) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stopped == end;
}

}  // namespace

SamplerArguments::SamplerArguments(const std::string& text)
    : text_(text), name_(text.substr(0, text.find(':'))) {
  if (name_ == text) return;
  std::string rest = text.substr(name_.size() + 1);
  for (std::size_t comma = 0; comma != std::string::npos;) {
    comma = rest.find(',');
    const std::string part = rest.substr(0, comma);
    if (comma != std::string::npos) rest = rest.substr(comma + 1);
    const std::size_t equals = part.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == part.size()) {
      throw error("after the colon come key=value pairs with commas between them, and \"" + part +
                  "\" is none. Leave the colon out where there are none");
    }
    const std::string key = part.substr(0, equals);
    const bool twice =
        std::any_of(values_.begin(), values_.end(), [&](const auto& v) { return v.first == key; });
    if (twice) throw error("the key " + key + " is given twice. Keep one of them");
    values_.emplace_back(key, part.substr(equals + 1));
  }
}

UsageError SamplerArguments::error(const std::string& what) const {
  return UsageError("--sampler " + text_ + ": " + what + ".");
}

const std::string* SamplerArguments::typed(const std::string& key) {
  known_.push_back(key);
  const auto found =
      std::find_if(values_.begin(), values_.end(), [&](const auto& value) { return value.first == key; });
  return found == values_.end() ? nullptr : &found->second;
}

double SamplerArguments::positive_real(const std::string& key, double fallback) {
  const std::string* const word = typed(key);
  if (word == nullptr) return fallback;
  double value = 0;
  if (!read(*word, value) || !std::isfinite(value) || value <= 0 || value > kLargestReal) {
    throw error(key + " is " + *word + " and must be a number above 0 and at most 1000000");
  }
  return value;
}

std::int64_t SamplerArguments::integer(const std::string& key, std::int64_t fallback, std::int64_t low) {
  const std::string* const word = typed(key);
  if (word == nullptr) return fallback;
  std::int64_t value = 0;
  if (!read(*word, value) || value < low || value > kLargestInteger) {
    throw error(key + " is " + *word + " and must be a whole number from " + std::to_string(low) + " on");
  }
  return value;
}

std::string SamplerArguments::choice(const std::string& key, const std::string& fallback,
                                     const std::vector<std::string>& choices) {
  const std::string* const word = typed(key);
  if (word == nullptr) return fallback;
  if (std::find(choices.begin(), choices.end(), *word) == choices.end()) {
    throw error(key + " is " + *word + " and must be one of " + listed(choices));
  }
  return *word;
}

void SamplerArguments::refuse_others() const {
  for (const auto& [key, value] : values_) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    throw error(known_.empty()
                    ? "the sampler " + name_ + " takes no parameters; write --sampler " + name_
                    : "the sampler " + name_ + " has no parameter " + key + ", only " + listed(known_));
  }
}

}  // namespace dml
