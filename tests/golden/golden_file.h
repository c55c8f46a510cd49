// The golden files of this folder, for tests: typed access that fails the test by name when something is
// absent.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/run/safetensors.h"

namespace dml::test {

/// DML_GOLDEN_DIR is tests/golden of the source tree, set by the test's CMakeLists.txt.
class GoldenFile {
 public:
  explicit GoldenFile(const std::string& name)
      : path_(std::string(DML_GOLDEN_DIR) + "/" + name), file_(read_safetensors(path_)) {}

  [[nodiscard]] bool has(const std::string& tensor) const { return file_.find(tensor) != nullptr; }

  template <class T>
  [[nodiscard]] std::span<const T> values(const std::string& tensor) const {
    const NamedTensor* found = file_.find(tensor);
    if (found == nullptr) throw DataError(path_ + " has no tensor " + tensor);
    return found->values.as<T>();
  }

  [[nodiscard]] double scalar(const std::string& tensor) const { return values<double>(tensor).front(); }

  [[nodiscard]] const std::string& text(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    if (found == file_.metadata.end()) throw DataError(path_ + " has no metadata " + key);
    return found->second;
  }

  [[nodiscard]] double number(const std::string& key) const { return std::stod(text(key)); }

 private:
  std::string path_;
  SafetensorsFile file_;
};

}  // namespace dml::test
