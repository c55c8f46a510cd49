#include "runners/launch/private_directory.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <vector>

#include "kernels/base/error.h"

namespace dml {

PrivateDirectory::PrivateDirectory(const Variables& variables) {
  std::vector<std::string> bases;
  for (const char* name : {"XDG_RUNTIME_DIR", "TMPDIR"}) {
    const auto found = variables.find(name);
    if (found != variables.end() && !found->second.empty()) bases.push_back(found->second);
  }
  bases.emplace_back("/tmp");

  std::string refusals;
  for (const std::string& base : bases) {
    std::string pattern = (std::filesystem::path(base) / "dml-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) {
      path_ = pattern;
      return;
    }
    refusals += (refusals.empty() ? "" : "; ") + base + ": " + std::strerror(errno);
  }
  throw IoError("cannot make a private directory in which the ranks meet (" + refusals +
                "). Set TMPDIR to a writable directory.");
}

PrivateDirectory::~PrivateDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) {
    std::fprintf(stderr, "dml_engine: warning: cannot remove %s: %s\n", path_.c_str(),
                 error.message().c_str());
  }
}

}  // namespace dml
