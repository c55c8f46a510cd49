// Libraries that are looked up when they are needed, so that a program starts on a machine without them.
//
// Where one is looked for, the first that has it wins:
//   1. a path that the caller was given, and then the environment variable of the query. What was chosen so
//      has to work: when it does not load, nothing else is tried.
//   2. wheels: below the site-packages of the virtual environment, of PYTHONPATH, of the python3 on PATH and
//      of the user. Python itself is not run; its folders are found as `site` of the standard library does.
//   3. the system: what the dynamic linker finds by name (LD_LIBRARY_PATH, its cache), and the toolkit's
//   folder.
//
// A library stays loaded until the process ends: NVIDIA's start threads that outlive a dlclose().
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace dml {

/// What to look for, and what to say when it is not there.
struct LibraryQuery {
  std::string title;                       ///< "NCCL"
  std::string file;                        ///< "libnccl.so.2": also the name that the linker is asked for
  std::string path = {};                   ///< chosen by the user: a file, or a folder that holds `file`
  std::string variable = {};               ///< the environment variable that may hold such a path
  std::vector<std::string> wheel_folders;  ///< below site-packages: "nvidia/nccl/lib"
  std::string installation;                ///< the sentence that says how to get it
};

class SharedLibrary {
 public:
  /// Throws UnavailableError naming what was searched, why each place did not do, and how to get the library.
  static SharedLibrary open(const LibraryQuery& query);

  /// Where the library lies, as the dynamic linker knows it.
  [[nodiscard]] const std::string& path() const { return path_; }

  /// An exported function, null when there is none of this name.
  template <class Function>
  [[nodiscard]] Function* find(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }
  /// An exported function. Throws UnavailableError naming library and function when there is none.
  template <class Function>
  [[nodiscard]] Function* get(const char* name) const {
    return reinterpret_cast<Function*>(require(name));
  }

 private:
  SharedLibrary(std::string title, std::string path, void* handle)
      : title_(std::move(title)), path_(std::move(path)), handle_(handle) {}
  [[nodiscard]] void* symbol(const char* name) const;
  [[nodiscard]] void* require(const char* name) const;

  std::string title_;
  std::string path_;
  void* handle_;  ///< never closed
};

/// The value of an environment variable; empty when it is not set.
using VariableLookup = std::function<std::string(const std::string&)>;

/// The folders that hold the packages of the Python that `variable` describes (VIRTUAL_ENV, CONDA_PREFIX,
/// PYTHONPATH, PATH, PYENV_VERSION, PYTHONUSERBASE, HOME), the ones searched first in front. Only those that
/// exist.
std::vector<std::string> python_package_folders(const VariableLookup& variable);

}  // namespace dml
