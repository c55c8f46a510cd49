#include "kernels/base/shared_library.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <link.h>
#include <system_error>

#include "kernels/base/error.h"

namespace dml {
namespace {

namespace fs = std::filesystem;

// Where CUDA's own installers put libraries, known to the linker only where an administrator said so.
constexpr const char* kToolkitFolders[] = {"/usr/local/cuda/lib64", "/usr/local/cuda/lib"};

std::string environment_variable(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

/// The parts of "a:b:c" that are not empty.
std::vector<std::string> split_path(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(':', begin), list.size());
    if (end > begin) parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// Collects folders that exist, each once.
class Folders {
 public:
  void add(const fs::path& folder) {
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored)) return;
    const std::string text = folder.lexically_normal().string();
    if (std::find(found_.begin(), found_.end(), text) == found_.end()) found_.push_back(text);
  }

  /// The packages of a Python that is installed in `prefix`: lib/python3.N/site-packages, and Debian's own
  /// dist-packages. Newer versions first.
  void add_prefix(const fs::path& prefix) {
    for (const char* lib : {"lib", "lib64"}) {
      std::vector<fs::path> versions;
      std::error_code error;
      for (fs::directory_iterator entry(prefix / lib, error), end; !error && entry != end;
           entry.increment(error)) {
        if (entry->path().filename().string().starts_with("python3")) versions.push_back(entry->path());
      }
      std::sort(versions.begin(), versions.end(),
                [](const fs::path& a, const fs::path& b) { return minor_version(a) > minor_version(b); });
      for (const fs::path& version : versions) {
        add(version / "site-packages");
        add(version / "dist-packages");
      }
    }
  }

  [[nodiscard]] std::vector<std::string> take() { return std::move(found_); }

 private:
  /// 11 of "python3.11"; -1 of Debian's "python3", which all its versions share.
  static int minor_version(const fs::path& folder) {
    const std::string name = folder.filename().string();
    const std::size_t dot = name.find('.');
    return dot == std::string::npos ? -1 : std::atoi(name.c_str() + dot + 1);
  }

  std::vector<std::string> found_;
};

/// The installation behind a python3 on PATH. pyenv puts a script there, which asks the file "version".
fs::path prefix_of(const fs::path& python, const VariableLookup& variable) {
  const fs::path bin = python.parent_path();
  if (bin.filename() != "shims") return bin.parent_path();
  std::string version = variable("PYENV_VERSION");
  if (version.empty()) std::ifstream(bin.parent_path() / "version") >> version;
  return bin.parent_path() / "versions" / version;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

struct Opened {
  void* handle = nullptr;
  std::string error;  ///< what the dynamic linker said
};

Opened open_file(const std::string& path) {
  Opened opened{dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), ""};
  if (opened.handle == nullptr) {
    const char* const error = dlerror();
    opened.error = error == nullptr ? path + ": does not load" : error;
  }
  return opened;
}

/// The path of a library that may have been opened by its name alone.
std::string path_of(void* handle, const std::string& fallback) {
  link_map* map = nullptr;
  if (dlinfo(handle, RTLD_DI_LINKMAP, static_cast<void*>(&map)) != 0 || map->l_name[0] == '\0')
    return fallback;
  return map->l_name;
}

std::string file_at(const std::string& path, const std::string& file) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? (fs::path(path) / file).string() : path;
}

}  // namespace

std::vector<std::string> python_package_folders(const VariableLookup& variable) {
  Folders folders;
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const std::string prefix = variable(name); !prefix.empty()) folders.add_prefix(prefix);
  }
  for (const std::string& folder : split_path(variable("PYTHONPATH"))) folders.add(folder);
  for (const std::string& folder : split_path(variable("PATH"))) {
    for (const char* name : {"python3", "python"}) {
      const fs::path python = fs::path(folder) / name;
      std::error_code error;
      if (!fs::exists(python, error)) continue;
      folders.add_prefix(prefix_of(python, variable));
      // A link into an installation elsewhere. That of a virtual environment leads to the base installation,
      // whose packages the environment may or may not see: they come behind its own.
      const fs::path target = fs::canonical(python, error);
      if (!error) folders.add_prefix(prefix_of(target, variable));
    }
  }
  // Debian's pip installs for everybody here; no python lies beside it.
  folders.add_prefix("/usr/local");
  const std::string home = variable("HOME");
  const std::string user_base = variable("PYTHONUSERBASE");
  if (!user_base.empty()) folders.add_prefix(user_base);
  if (!home.empty()) folders.add_prefix(fs::path(home) / ".local");
  return folders.take();
}

SharedLibrary SharedLibrary::open(const LibraryQuery& query) {
  const auto loaded = [&](const std::string& path, void* handle) {
    return SharedLibrary(query.title, path_of(handle, path), handle);
  };
  const auto chosen = [&](const std::string& path, const std::string& source) {
    const std::string file = file_at(path, query.file);
    const Opened opened = open_file(file);
    if (opened.handle != nullptr) return loaded(file, opened.handle);
    throw UnavailableError(query.title + ": " + source + " is " + path +
                           ", and that does not load: " + opened.error +
                           ". Correct it, or leave it out: then " + query.file + " is looked for.");
  };
  if (!query.path.empty()) return chosen(query.path, "the path that was chosen");
  std::string searched;
  if (!query.variable.empty()) {
    const std::string path = environment_variable(query.variable);
    if (!path.empty()) return chosen(path, query.variable);
    searched = query.variable + " (not set); ";
  }

  const std::vector<std::string> packages = python_package_folders(environment_variable);
  std::string broken;
  for (const std::string& folder : packages) {
    for (const std::string& wheel : query.wheel_folders) {
      const fs::path file = fs::path(folder) / wheel / query.file;
      std::error_code ignored;
      if (!fs::exists(file, ignored)) continue;
      const Opened opened = open_file(file.string());
      if (opened.handle != nullptr) return loaded(file.string(), opened.handle);
      broken += "; " + opened.error;
    }
  }
  const Opened system = open_file(query.file);
  if (system.handle != nullptr) return loaded(query.file, system.handle);
  for (const char* folder : kToolkitFolders) {
    const std::string file = std::string(folder) + "/" + query.file;
    std::error_code ignored;
    if (!fs::exists(file, ignored)) continue;
    const Opened opened = open_file(file);
    if (opened.handle != nullptr) return loaded(file, opened.handle);
    broken += "; " + opened.error;
  }

  const std::string places = packages.empty() ? "no Python with packages" : join(packages);
  throw UnavailableError(query.title + " was not found. Searched: " + searched + "Python packages (" +
                         join(query.wheel_folders) + ") in " + places + broken +
                         "; the system's libraries (" + system.error + "). " + query.installation);
}

void* SharedLibrary::symbol(const char* name) const {
  return dlsym(handle_, name);
}

void* SharedLibrary::require(const char* name) const {
  void* const address = symbol(name);
  if (address != nullptr) return address;
  throw UnavailableError(title_ + ": " + path_ + " has no function " + name +
                         ": it is another library, or a version that this program cannot use.");
}

}  // namespace dml
