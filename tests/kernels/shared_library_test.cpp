// Where libraries are looked for, and what is said when one is not there. The "libraries" are made by the
// test: copies of a small one under the names that wheels and toolkits use.
#include "kernels/base/shared_library.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <unistd.h>

#include "kernels/base/error.h"

namespace dml::test {
namespace {

namespace fs = std::filesystem;

/// An empty folder with folders and files as a test wants them.
class SharedLibraryTest : public testing::Test {
 protected:
  SharedLibraryTest() {
    std::string pattern = (fs::temp_directory_path() / "dml-library-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot create " + pattern);
    root_ = pattern;
    ::unsetenv(kVariable);
  }
  ~SharedLibraryTest() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
    ::unsetenv(kVariable);
  }

  static constexpr const char* kVariable = "DML_TEST_LIBRARY";

  std::string folder(const std::string& name) {
    fs::create_directories(root_ / name);
    return (root_ / name).string();
  }
  void file(const std::string& name, const std::string& text = "") {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  /// A library that loads, under another name.
  std::string library(const std::string& name) {
    fs::create_directories((root_ / name).parent_path());
    fs::copy_file(DML_TEST_SMALL_LIBRARY, root_ / name);
    return (root_ / name).string();
  }

  /// The folders of `python_package_folders` that lie in this test's own.
  std::vector<std::string> packages() {
    const auto all = python_package_folders([this](const std::string& name) { return variables_[name]; });
    std::vector<std::string> own;
    for (const std::string& path : all) {
      if (path.starts_with(root_.string() + "/")) own.push_back(path.substr(root_.string().size() + 1));
    }
    return own;
  }

  static LibraryQuery query() {
    return {.title = "Gizmo",
            .file = "libdml_gizmo.so.2",
            .variable = kVariable,
            .wheel_folders = {"nvidia/gizmo/lib"},
            .installation = "Install it with `pip install gizmo`."};
  }
  static std::string error_of(const LibraryQuery& query) {
    try {
      return "found " + SharedLibrary::open(query).path();
    } catch (const UnavailableError& error) {
      return error.what();
    }
  }

  fs::path root_;
  std::map<std::string, std::string> variables_;
};

using Paths = std::vector<std::string>;

TEST_F(SharedLibraryTest, FindsThePackagesOfAVirtualEnvironmentFirst) {
  folder("venv/lib/python3.9/site-packages");
  folder("venv/lib/python3.11/site-packages");
  folder("more");
  variables_["VIRTUAL_ENV"] = (root_ / "venv").string();
  variables_["PYTHONPATH"] = (root_ / "more").string() + "::" + (root_ / "absent").string();
  EXPECT_EQ(packages(),
            (Paths{"venv/lib/python3.11/site-packages", "venv/lib/python3.9/site-packages", "more"}));
}

TEST_F(SharedLibraryTest, FindsThePackagesOfThePythonOnThePath) {
  folder("usr/lib/python3/dist-packages");
  folder("usr/lib/python3.11/site-packages");
  folder("elsewhere/lib/python3.12/site-packages");
  folder("empty/bin");
  file("usr/bin/python3.11");
  file("elsewhere/bin/python3");
  fs::create_symlink("python3.11", root_ / "usr/bin/python3");
  variables_["PATH"] = (root_ / "empty/bin").string() + ":" + (root_ / "usr/bin").string() + ":" +
                       (root_ / "elsewhere/bin").string();
  EXPECT_EQ(packages(), (Paths{"usr/lib/python3.11/site-packages", "usr/lib/python3/dist-packages",
                               "elsewhere/lib/python3.12/site-packages"}));
}

TEST_F(SharedLibraryTest, FollowsTheLinkOfAPythonIntoItsInstallation) {
  folder("opt/python/lib/python3.11/site-packages");
  file("opt/python/bin/python3.11");
  folder("bin");
  fs::create_symlink(root_ / "opt/python/bin/python3.11", root_ / "bin/python3");
  variables_["PATH"] = (root_ / "bin").string();
  EXPECT_EQ(packages(), (Paths{"opt/python/lib/python3.11/site-packages"}));
}

TEST_F(SharedLibraryTest, KnowsWhichVersionPyenvMeans) {
  folder("pyenv/versions/3.10.1/lib/python3.10/site-packages");
  folder("pyenv/versions/3.11.7/lib/python3.11/site-packages");
  file("pyenv/shims/python3", "#!/bin/sh\n");
  file("pyenv/version", "3.11.7\n");
  variables_["PATH"] = (root_ / "pyenv/shims").string();
  EXPECT_EQ(packages(), (Paths{"pyenv/versions/3.11.7/lib/python3.11/site-packages"}));
  variables_["PYENV_VERSION"] = "3.10.1";
  EXPECT_EQ(packages(), (Paths{"pyenv/versions/3.10.1/lib/python3.10/site-packages"}));
}

TEST_F(SharedLibraryTest, FindsThePackagesOfTheUser) {
  folder("home/.local/lib/python3.11/site-packages");
  folder("base/lib/python3.11/site-packages");
  variables_["HOME"] = (root_ / "home").string();
  EXPECT_EQ(packages(), (Paths{"home/.local/lib/python3.11/site-packages"}));
  variables_["PYTHONUSERBASE"] = (root_ / "base").string();
  EXPECT_EQ(packages().front(), "base/lib/python3.11/site-packages");
}

TEST_F(SharedLibraryTest, SaysWhereItLookedAndHowToGetIt) {
  const std::string packages = folder("packages");
  ::setenv("PYTHONPATH", packages.c_str(), 1);
  const std::string error = error_of(query());
  ::unsetenv("PYTHONPATH");
  for (const std::string& words :
       {std::string("Gizmo was not found"), std::string("DML_TEST_LIBRARY (not set)"), packages,
        std::string("nvidia/gizmo/lib"), std::string("libdml_gizmo.so.2: cannot open shared object file"),
        std::string("pip install gizmo")}) {
    EXPECT_NE(error.find(words), std::string::npos) << words << "\nis not in: " << error;
  }
}

TEST_F(SharedLibraryTest, TakesTheChosenPathBeforeTheVariableBeforeTheWheel) {
  const std::string wheel = library("packages/nvidia/gizmo/lib/libdml_gizmo.so.2");
  ::setenv("PYTHONPATH", folder("packages").c_str(), 1);
  LibraryQuery gizmo = query();
  EXPECT_EQ(SharedLibrary::open(gizmo).path(), wheel);
  const std::string by_variable = library("by-variable/libdml_gizmo.so.2");
  ::setenv(kVariable, folder("by-variable").c_str(), 1);  // a folder that holds it
  EXPECT_EQ(SharedLibrary::open(gizmo).path(), by_variable);
  gizmo.path = library("by-path.so");  // a file of any name
  EXPECT_EQ(SharedLibrary::open(gizmo).path(), gizmo.path);
  ::unsetenv("PYTHONPATH");
}

TEST_F(SharedLibraryTest, DoesNotReplaceAChoiceThatFails) {
  library("packages/nvidia/gizmo/lib/libdml_gizmo.so.2");
  ::setenv("PYTHONPATH", folder("packages").c_str(), 1);
  file("broken.so", "this is no library");
  ::setenv(kVariable, (root_ / "broken.so").c_str(), 1);
  const std::string error = error_of(query());
  ::unsetenv("PYTHONPATH");
  EXPECT_NE(error.find("DML_TEST_LIBRARY is " + (root_ / "broken.so").string()), std::string::npos) << error;
  EXPECT_NE(error.find("file too short"), std::string::npos) << error;
}

TEST_F(SharedLibraryTest, PassesOverABrokenWheelAndSaysSo) {
  file("packages/nvidia/gizmo/lib/libdml_gizmo.so.2", "this is no library");
  ::setenv("PYTHONPATH", folder("packages").c_str(), 1);
  const std::string error = error_of(query());
  ::unsetenv("PYTHONPATH");
  EXPECT_NE(error.find("nvidia/gizmo/lib/libdml_gizmo.so.2: file too short"), std::string::npos) << error;
}

TEST_F(SharedLibraryTest, GivesFunctionsAndNamesTheOneThatIsMissing) {
  LibraryQuery gizmo = query();
  gizmo.path = library("gizmo.so");
  const SharedLibrary opened = SharedLibrary::open(gizmo);
  EXPECT_EQ(opened.get<int(int)>("dml_small_library_double")(21), 42);
  EXPECT_EQ(opened.find<int(int)>("dml_small_library_triple"), nullptr);
  try {
    static_cast<void>(opened.get<int(int)>("dml_small_library_triple"));
    ADD_FAILURE() << "a missing function was found";
  } catch (const UnavailableError& error) {
    EXPECT_NE(std::string(error.what()).find("gizmo.so has no function dml_small_library_triple"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(SharedLibraryTest, KnowsWhereTheSystemsLibrariesLie) {
  LibraryQuery libm = query();
  libm.file = "libm.so.6";
  const SharedLibrary opened = SharedLibrary::open(libm);
  EXPECT_TRUE(opened.path().starts_with("/")) << opened.path();
  EXPECT_EQ(opened.get<double(double)>("sqrt")(9.0), 3.0);
}

}  // namespace
}  // namespace dml::test
