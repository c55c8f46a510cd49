#include "engine/run/checkpoint_directory.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "engine/run/atomic_file.h"
#include "kernels/base/error.h"

namespace dml {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "checkpoints";
constexpr const char* kPrefix = "step-";
constexpr const char* kSuffix = ".safetensors";

struct NumberedFile {
  std::int64_t step = 0;
  fs::path path;
};

std::string file_name_of(std::int64_t step) {
  char text[48];
  std::snprintf(text, sizeof text, "%s%08lld%s", kPrefix, static_cast<long long>(step), kSuffix);
  return text;
}

/// The step in a checkpoint's name, or nothing for every other name.
std::optional<std::int64_t> step_of(const std::string& file_name) {
  std::int64_t step = -1;
  const std::size_t begin = std::string(kPrefix).size();
  if (!file_name.starts_with(kPrefix)) return std::nullopt;
  const auto [end, error] =
      std::from_chars(file_name.data() + begin, file_name.data() + file_name.size(), step);
  if (error != std::errc{} || step < 0 || file_name != file_name_of(step)) return std::nullopt;
  return step;
}

/// Every name in the checkpoint folder; none when there is no such folder.
std::vector<fs::path> list_folder(const std::string& run_directory) {
  const fs::path folder = fs::path(run_directory) / kFolder;
  std::vector<fs::path> paths;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) paths.push_back(at->path());
  if (error && error != std::errc::no_such_file_or_directory) {
    throw IoError(folder.string() + ": cannot be listed: " + error.message());
  }
  return paths;
}

/// The checkpoints among `paths`, newest step first.
std::vector<NumberedFile> checkpoints_in(const std::vector<fs::path>& paths) {
  std::vector<NumberedFile> files;
  for (const fs::path& path : paths) {
    if (const std::optional<std::int64_t> step = step_of(path.filename().string()))
      files.push_back({*step, path});
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.step > b.step; });
  return files;
}

/// A file that stays costs space and nothing else, so a failure is a warning.
void remove_or_warn(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) {
    std::fprintf(stderr, "warning: %s could not be removed: %s\n", path.c_str(), error.message().c_str());
  }
}

}  // namespace

std::string write_checkpoint(const std::string& run_directory, const Checkpoint& checkpoint, int keep) {
  DML_ASSERT(keep >= 1, "a run keeps at least one checkpoint");
  const fs::path folder = fs::path(run_directory) / kFolder;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw IoError(folder.string() + ": cannot be made: " + error.message() + "; choose another --run-dir");
  }
  const fs::path path = folder / file_name_of(checkpoint.step);
  save_checkpoint(path.string(), checkpoint);

  const std::vector<fs::path> paths = list_folder(run_directory);
  int kept = 0;
  for (const NumberedFile& file : checkpoints_in(paths)) {
    if (file.step <= checkpoint.step && ++kept > keep) remove_or_warn(file.path);
  }
  for (const fs::path& other : paths) {
    const std::string name = other.filename().string();
    const std::size_t infix = name.find(kTemporaryInfix);
    if (infix != std::string::npos && step_of(name.substr(0, infix))) remove_or_warn(other);
  }
  return path.string();
}

std::vector<std::string> list_checkpoints(const std::string& run_directory) {
  std::vector<std::string> paths;
  for (const NumberedFile& file : checkpoints_in(list_folder(run_directory)))
    paths.push_back(file.path.string());
  return paths;
}

LatestCheckpoint load_latest_checkpoint(const std::string& run_directory) {
  const std::vector<std::string> paths = list_checkpoints(run_directory);
  if (paths.empty()) {
    throw IoError(run_directory + ": holds no checkpoint (" + kFolder + "/" + kPrefix + "NNNNNNNN" + kSuffix +
                  "); check --run-dir, or start again without --resume");
  }
  std::vector<std::string> rejected;
  for (const std::string& path : paths) {
    try {
      Checkpoint checkpoint = load_checkpoint(path);
      return {path, std::move(checkpoint), std::move(rejected)};
    } catch (const DataError& cause) {
      rejected.emplace_back(cause.what());
    } catch (const IoError& cause) {
      rejected.emplace_back(cause.what());
    }
  }
  throw DataError(run_directory + ": none of its " + std::to_string(paths.size()) +
                  " checkpoints can be used; the newest: " + rejected.front());
}

}  // namespace dml
