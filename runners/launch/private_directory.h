// A directory that only this user can read and that is gone when the run is.
#pragma once

#include <filesystem>

#include "runners/launch/contract.h"

namespace dml {

/// Made by mkdtemp (mode 0700) under $XDG_RUNTIME_DIR, $TMPDIR or /tmp, the first that is writable; removed
/// with everything in it by the destructor. The constructor throws IoError naming each place and its refusal.
class PrivateDirectory {
 public:
  explicit PrivateDirectory(const Variables& variables);
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  ~PrivateDirectory();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace dml
