#include "engine/run/named_tensor.h"

#include <cstdio>
#include <cstring>
#include <map>

#include "kernels/base/error.h"

namespace dml {
namespace {

constexpr const char* kAdvice =
    "; the file belongs to another model or optimizer, use those it was saved from or another file";

}  // namespace

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

std::string quoted_name(const std::string& name) {
  constexpr std::size_t kMaxShown = 80;
  std::string text = "\"";
  for (const char c : name.substr(0, kMaxShown)) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code < 0x7f) {
      text += c;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(code));
      text += escaped;
    }
  }
  return text + (name.size() > kMaxShown ? "...\"" : "\"");
}

void copy_tensors(std::span<const NamedTensor> from, std::span<const NamedTensor> into,
                  const std::string& file) {
  std::map<std::string, const NamedTensor*> sources;
  for (const NamedTensor& tensor : from) sources[tensor.name] = &tensor;

  std::vector<const NamedTensor*> source_of;
  for (const NamedTensor& target : into) {
    const auto found = sources.find(target.name);
    if (found == sources.end()) {
      throw DataError(file + ": tensor " + quoted_name(target.name) + " is missing; " +
                      std::to_string(into.size()) + " tensors are expected" + kAdvice);
    }
    const NamedTensor& source = *found->second;
    if (source.shape != target.shape) {
      throw DataError(file + ": tensor " + quoted_name(target.name) + " has shape " +
                      shape_text(source.shape) + " where " + shape_text(target.shape) + " is expected" +
                      kAdvice);
    }
    if (source.values.dtype != target.values.dtype) {
      throw DataError(file + ": tensor " + quoted_name(target.name) + " has type " +
                      to_string(source.values.dtype) + " where " + to_string(target.values.dtype) +
                      " is expected; use the --precision it was saved with");
    }
    source_of.push_back(&source);
    sources.erase(found);
  }
  if (!sources.empty()) {
    throw DataError(file + ": tensor " + quoted_name(sources.begin()->first) + " has no place here" +
                    kAdvice);
  }

  for (std::size_t i = 0; i < into.size(); ++i) {
    const View& target = into[i].values;
    if (!target.empty()) std::memcpy(target.data, source_of[i]->values.data, target.bytes());
  }
}

}  // namespace dml
