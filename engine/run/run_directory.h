// The folder in which a run leaves what it did.
//
//   run.json            first: command line, configuration, versions
//   metrics.jsonl       one JSON object a line: losses, epochs, checkpoints
//   rank-N.log          what rank N reported
//   checkpoints/        to resume from
//   trace.json          the newest steps, for chrome://tracing or Perfetto
//   weights.safetensors the trained weights
//   result.json         last: its presence means the run succeeded
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace dml {

/// Rank 0's hold on the folder.
class RunDirectory {
 public:
  /// Creates the folder, or opens one to go on (`resume`). Throws IoError when it cannot be written to,
  /// UsageError when it holds a run already and this one does not resume it.
  RunDirectory(const std::string& path, bool resume);
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;
  /// Takes back what was made for a run that failed before it wrote run.json.
  ~RunDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  /// Writes a whole file, atomically.
  void write(const std::string& name, const std::string& text);
  /// Appends one line to metrics.jsonl; it is on its way to the disk when this returns.
  void append_metric(const std::string& json_line);

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::string path_;
  std::vector<std::filesystem::path> made_;  ///< folders that were not there before, the innermost first
  bool begun_ = false;                       ///< the folder holds a run
  std::unique_ptr<std::FILE, Close> metrics_;
};

/// One rank's log, RUN_DIR/rank-N.log; lines carry the seconds since it was opened.
class RankLog {
 public:
  /// Throws IoError. An empty directory makes a log that goes nowhere.
  RankLog(const std::string& directory, int rank);
  void write(const std::string& line);

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::int64_t opened_ns_ = 0;
};

}  // namespace dml
