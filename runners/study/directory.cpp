#include "runners/study/directory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <sstream>
#include <sys/file.h>
#include <unistd.h>

#include "engine/run/atomic_file.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runners/result.h"

namespace dml {
namespace {

using Json = nlohmann::json;

constexpr int kSchemaVersion = 1;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 32U;

std::string text_of(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path, kMostBytes);
  return {bytes.begin(), bytes.end()};
}

Json to_json(const StudyRecord& record) {
  return {{"id", record.id},
          {"seed", record.seed},
          {"seconds", record.seconds},
          {"ended", record.ended},
          {"result", record.result},
          {"metrics", record.metrics},
          {"failure", record.failure.empty() ? Json() : Json(record.failure)}};
}

StudyRecord record_of(const Json& json) {
  StudyRecord record;
  record.id = json.at("id");
  record.seed = json.at("seed");
  record.seconds = json.at("seconds");
  record.ended = json.value("ended", "");
  record.result = json.at("result");
  record.metrics = json.at("metrics").get<std::vector<Json>>();
  if (!json.at("failure").is_null()) record.failure = json.at("failure");
  return record;
}

[[noreturn]] void fail(const std::string& path) {
  throw IoError("cannot write " + path + ": " + std::strerror(errno) +
                "; choose another --run-dir, or make room");
}

/// The circumstances of earlier calls that differ from now, with those of the last one where runs were made.
Json circumstances_before(const Json& there, const Json& about, bool has_runs) {
  Json earlier = there.value("earlier", Json::array());
  Json last = Json::object();
  bool differs = false;
  for (const char* key : {"version", "git_revision", "machine"}) {
    last[key] = there.value(key, Json());
    differs = differs || last[key] != about.value(key, Json());
  }
  const bool known = std::find(earlier.begin(), earlier.end(), last) != earlier.end();
  if (has_runs && differs && !known) earlier.push_back(last);
  return earlier;
}

/// The folder, with the one for runs in it.
const std::string& made_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path + "/runs", error);
  if (error)
    throw IoError("cannot create --run-dir " + path + ": " + error.message() + "; choose another folder");
  if (std::filesystem::exists(path + "/run.json")) {
    throw UsageError("--run-dir " + path + " holds a single run. Choose another folder for the study.");
  }
  return path;
}

/// Lines of a file that ends where its last whole line does.
std::vector<std::string> whole_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines.push_back(text.substr(begin, end - begin));
  }
  return lines;
}

}  // namespace

std::string utc_now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

Json describe_grid(const StudyGrid& grid) {
  Json json{{"question", grid.question}, {"seeds", grid.seeds}, {"sections", Json::array()}};
  for (const StudyComparison& comparison : grid.comparisons) {
    Json arms = Json::array();
    for (const StudyArm& arm : comparison.arms) {
      arms.push_back({{"name", arm.name}, {"values", arm.values}, {"arguments", arm.arguments}});
    }
    json["sections"].push_back({{"name", comparison.name},
                                {"question", comparison.question},
                                {"baseline", comparison.baseline},
                                {"arms", arms}});
  }
  return json;
}

std::map<std::string, StudyRecord> read_records(const std::string& directory) {
  const std::string path = directory + "/runs.jsonl";
  std::map<std::string, StudyRecord> records;
  if (!std::filesystem::exists(path)) return records;
  const std::vector<std::string> lines = whole_lines(text_of(path));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    try {
      StudyRecord record = record_of(Json::parse(lines[i]));
      records[record.id] = std::move(record);
    } catch (const Json::exception&) {
      throw DataError(path + ", line " + std::to_string(i + 1) +
                      ": is damaged. Remove the line; its run is then made again.");
    }
  }
  return records;
}

Json read_study(const std::string& directory) {
  const std::string path = directory + "/study.json";
  if (!std::filesystem::exists(path)) {
    throw UsageError(directory + " holds no study: there is no study.json. Name the --run-dir of a study.");
  }
  Json json = Json::parse(text_of(path), nullptr, false);
  if (!json.is_object() || !json.contains("sections") || !json.contains("seeds")) {
    throw DataError(path + ": is damaged; a study writes it whole. Restore it, or begin in another folder.");
  }
  return json;
}

StudyDirectory::Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

StudyDirectory::Descriptor StudyDirectory::open_or_fail(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (descriptor < 0) fail(path);
  return Descriptor(descriptor);
}

StudyDirectory::StudyDirectory(const std::string& path, const StudyGrid& grid, const Json& about)
    : path_(made_folder(path)),
      lock_(open_or_fail(path + "/study.lock")),
      file_(open_or_fail(path + "/runs.jsonl")) {
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    throw UsageError("--run-dir " + path +
                     ": another process is at work on the study there. Wait for its end.");
  }
  records_ = read_records(path);
  Json here = describe_grid(grid);
  Json earlier = Json::array();  // with what other runs here were made
  if (std::filesystem::exists(path + "/study.json")) {
    const Json there = read_study(path);
    compare(there, here);
    earlier = circumstances_before(there, about, !records_.empty());
  }
  here["schema_version"] = kSchemaVersion;
  here.update(about);
  here["earlier"] = earlier;
  write_file_atomically(path + "/study.json", json_text(here, 2) + "\n");

  const std::string runs = path + "/runs.jsonl";
  const auto end = static_cast<off_t>(text_of(runs).rfind('\n') + 1);  // what was cut off goes
  if (::ftruncate(file_.get(), end) != 0 || ::lseek(file_.get(), 0, SEEK_END) < 0) fail(runs);
}

/// Throws UsageError naming the first difference that makes it another study.
void StudyDirectory::compare(const Json& there, const Json& here) const {
  const auto refuse = [&](const std::string& difference) {
    throw UsageError("--run-dir " + path_ + " holds another study: " + difference +
                     ". Choose another folder, or ask what it asked.");
  };
  const Json& old_sections = there.at("sections");
  const Json& sections = here.at("sections");
  for (std::size_t i = 0; i < std::max(old_sections.size(), sections.size()); ++i) {
    if (i >= sections.size()) refuse("it has a section " + old_sections[i].value("name", "?") + " more");
    const std::string name = sections[i].at("name");
    if (i >= old_sections.size()) refuse("it has no section " + name);
    for (const char* key : {"name", "baseline", "arms"}) {
      if (old_sections[i].value(key, Json()) == sections[i].at(key)) continue;
      refuse("section " + name + " differs in its " + key);
    }
  }
  const auto has = [&](const Json& seed) {
    const Json& seeds = here.at("seeds");
    return std::find(seeds.begin(), seeds.end(), seed) != seeds.end();
  };
  for (const Json& seed : there.at("seeds")) {
    if (!has(seed))
      refuse("it has the seed " + seed.dump() + " besides (more seeds than before may be asked for)");
  }
}

std::string StudyDirectory::fresh_run_directory(const std::string& id) const {
  std::string directory = path_ + "/runs/" + id;
  std::filesystem::remove_all(directory);
  return directory;
}

void StudyDirectory::append(const StudyRecord& record) {
  const std::string line = json_text(to_json(record)) + "\n";
  std::size_t written = 0;
  while (written < line.size()) {
    const ssize_t bytes = ::write(file_.get(), line.data() + written, line.size() - written);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) fail(path_ + "/runs.jsonl");
    written += static_cast<std::size_t>(bytes);
  }
  if (::fsync(file_.get()) != 0) fail(path_ + "/runs.jsonl");
  records_[record.id] = record;
}

StudyRecord read_run(const StudyRun& run, const std::string& run_directory, double seconds) {
  StudyRecord record;
  record.id = run.id;
  record.seed = run.seed;
  record.seconds = seconds;
  record.ended = utc_now();
  record.result = Json::parse(text_of(run_directory + "/result.json"));
  std::istringstream lines(text_of(run_directory + "/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    Json metric = Json::parse(line);
    if (metric.value("kind", "") != "checkpoint") record.metrics.push_back(std::move(metric));
  }
  std::error_code error;
  std::filesystem::remove(run_directory + "/weights.safetensors", error);
  std::filesystem::remove_all(run_directory + "/checkpoints", error);
  return record;
}

}  // namespace dml
