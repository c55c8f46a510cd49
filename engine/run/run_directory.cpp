#include "engine/run/run_directory.h"

#include <cerrno>
#include <chrono>
#include <cstring>

#include "engine/run/atomic_file.h"
#include "kernels/base/error.h"

namespace dml {
namespace {

std::FILE* open_to_append(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "ae");
  if (file == nullptr) {
    throw IoError("cannot write " + path + ": " + std::strerror(errno) + "; choose another --run-dir");
  }
  return file;
}

/// The folder and those above it that do not exist, the innermost first.
std::vector<std::filesystem::path> missing_folders(const std::string& path) {
  std::vector<std::filesystem::path> missing;
  std::error_code error;
  for (std::filesystem::path folder = std::filesystem::absolute(path, error).lexically_normal();
       folder.has_relative_path() && !std::filesystem::exists(folder, error); folder = folder.parent_path()) {
    if (folder.has_filename()) missing.push_back(folder);  // not "runs/", which is "runs" once more
  }
  return missing;
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

RunDirectory::RunDirectory(const std::string& path, bool resume) : path_(path), begun_(resume) {
  std::error_code error;
  const std::vector<std::filesystem::path> missing = missing_folders(path);
  std::filesystem::create_directories(path, error);
  if (error)
    throw IoError("cannot create --run-dir " + path + ": " + error.message() + "; choose another folder");
  const bool holds_run = std::filesystem::exists(file("run.json"), error);
  if (holds_run && !resume) {
    throw UsageError("--run-dir " + path +
                     " already holds a run; add --resume to go on with it, or choose another "
                     "folder");
  }
  std::filesystem::remove(file("result.json"), error);  // success is yet to come
  if (error)
    throw IoError("cannot write to --run-dir " + path + ": " + error.message() + "; choose another folder");
  metrics_.reset(open_to_append(file("metrics.jsonl")));
  made_ = missing;
}

RunDirectory::~RunDirectory() {
  if (begun_) return;
  std::error_code ignored;
  const std::string metrics = file("metrics.jsonl");
  if (std::filesystem::is_empty(metrics, ignored)) std::filesystem::remove(metrics, ignored);
  for (const std::filesystem::path& folder : made_) std::filesystem::remove(folder, ignored);  // if empty
}

void RunDirectory::write(const std::string& name, const std::string& text) {
  begun_ = true;
  write_file_atomically(file(name), text);
}

void RunDirectory::append_metric(const std::string& json_line) {
  const std::string line = json_line + "\n";
  if (std::fwrite(line.data(), 1, line.size(), metrics_.get()) != line.size() ||
      std::fflush(metrics_.get()) != 0) {
    throw IoError("cannot write " + file("metrics.jsonl") + ": " + std::strerror(errno) +
                  "; make room and go on with --resume");
  }
}

RankLog::RankLog(const std::string& directory, int rank) : opened_ns_(now_ns()) {
  if (!directory.empty()) file_.reset(open_to_append(directory + "/rank-" + std::to_string(rank) + ".log"));
}

void RankLog::write(const std::string& line) {
  if (!file_) return;
  const double seconds = static_cast<double>(now_ns() - opened_ns_) * 1e-9;
  std::fprintf(file_.get(), "%10.3f  %s\n", seconds, line.c_str());
  std::fflush(file_.get());
}

}  // namespace dml
