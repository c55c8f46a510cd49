// The folder in which a study leaves what it did.
//
//   study.json      what the study is: sections, arms with their flags, seeds; machine and versions
//   runs.jsonl      one JSON object a line for every run that ended, on the disk before the next begins
//   runs/ID/        the run directory of each run (engine/run/run_directory.h), without its weights
//   report.html, report.md, figures/    what `report` makes of the above
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runners/study/grid.h"

namespace dml {

/// How one run ended, as runs.jsonl keeps it.
struct StudyRecord {
  std::string id;
  std::uint64_t seed = 0;
  double seconds = 0;                   ///< of the whole process
  std::string ended;                    ///< when its process did: 2026-11-25T19:40:07Z
  nlohmann::json result;                ///< its result object; null when it has none
  std::vector<nlohmann::json> metrics;  ///< of its metrics.jsonl: "train" and "epoch" lines
  std::string failure;                  ///< why it has no result: its loss became NaN; empty otherwise
};

/// This moment in Coordinated Universal Time, by ISO 8601: 2026-11-25T19:40:07Z.
std::string utc_now();

/// A study's definition as JSON: what study.json holds and a later call is compared with.
nlohmann::json describe_grid(const StudyGrid& grid);

/// The records of a folder's runs.jsonl by id; nothing when there is no such file. A last line that was cut
/// off is left out. Throws DataError naming the line when another one is damaged.
std::map<std::string, StudyRecord> read_records(const std::string& directory);

/// The contents of a folder's study.json. Throws UsageError when it holds no study, DataError when the file
/// is damaged.
nlohmann::json read_study(const std::string& directory);

/// One process's hold on the folder of a study.
class StudyDirectory {
 public:
  /// Makes the folder, or goes on in one that holds the same study; more seeds than before are the same
  /// study. Throws UsageError naming the first difference when it holds another study or a single run, or
  /// when another process works in it; IoError when it cannot be written to.
  StudyDirectory(const std::string& path, const StudyGrid& grid, const nlohmann::json& about);

  [[nodiscard]] const std::map<std::string, StudyRecord>& records() const { return records_; }
  /// Where a run leaves its files; empty: what was there is removed.
  [[nodiscard]] std::string fresh_run_directory(const std::string& id) const;
  /// Keeps the record: it is on the disk when this returns.
  void append(const StudyRecord& record);

 private:
  void compare(const nlohmann::json& there, const nlohmann::json& here) const;

  /// A file descriptor, closed when it goes.
  class Descriptor {
   public:
    explicit Descriptor(int value) : value_(value) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor();
    [[nodiscard]] int get() const { return value_; }

   private:
    int value_;
  };
  static Descriptor open_or_fail(const std::string& path);

  std::string path_;
  Descriptor lock_, file_;
  std::map<std::string, StudyRecord> records_;
};

/// The record of a run that ended well, from its folder: result.json and metrics.jsonl. Removes the weights
/// and checkpoints, which a report has no use for.
StudyRecord read_run(const StudyRun& run, const std::string& run_directory, double seconds);

}  // namespace dml
