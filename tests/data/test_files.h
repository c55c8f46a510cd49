// What the tests of file formats share: a directory that goes away, files with chosen content, errors with
// their text.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <initializer_list>
#include <string>
#include <typeinfo>
#include <unistd.h>
#include <vector>

#include "kernels/base/error.h"
#include "tests/data/bytes.h"

namespace dml::testing {

/// A fresh directory, removed with everything in it at the end of the scope.
class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "dml_test_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw IoError("no temporary directory " + pattern);
    path_ = pattern;
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string path(const std::string& name = "") const {
    return name.empty() ? path_ : path_ + "/" + name;
  }
  /// The names of all entries, without those in folders below.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

 private:
  std::string path_;
};

/// Runs `action`, which must throw E (exactly that class) with all of `parts` in its message; returns the
/// message.
template <class E, class Action>
std::string expect_error(const Action& action, std::initializer_list<const char*> parts) {
  try {
    action();
  } catch (const Error& error) {
    std::string message = error.what();
    EXPECT_EQ(typeid(error), typeid(E)) << message;
    for (const char* part : parts) {
      EXPECT_NE(message.find(part), std::string::npos) << "no \"" << part << "\" in: " << message;
    }
    EXPECT_EQ(message.find('\n'), std::string::npos) << "more than one paragraph: " << message;
    return message;
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace dml::testing
