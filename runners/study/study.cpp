#include "runners/study/study.h"

#include <cstdio>
#include <sys/utsname.h>

#include "engine/train/timeline.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runners/child_run.h"
#include "runners/cli/terminal.h"
#include "runners/launch/cores.h"
#include "runners/launch/stop_request.h"
#include "runners/library_versions.h"
#include "runners/status_line.h"
#include "runners/study/directory.h"
#include "runners/study/report.h"
#include "runners/text.h"
#include "runners/version.h"

namespace dml {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMostStudyBytes = 1 << 20;

StudyDefinition read_definition(const Invocation& invocation) {
  const StudyOptions& options = invocation.study;
  StudyDefinition definition;
  if (options.grid.empty()) {
    const std::vector<std::uint8_t> bytes = read_file(options.file, kMostStudyBytes);
    definition = parse_study({bytes.begin(), bytes.end()}, options.file, StudySource::file);
  } else {
    definition = parse_study(options.grid, "--grid", StudySource::grid);
  }
  for (const auto& [key, value] : options.overrides) override_setting(definition, key, value);
  if (!options.seeds.empty()) definition.seeds = parse_seeds(words_of(options.seeds), "--seeds");
  return definition;
}

/// What the report says about where and with what the study was made.
Json about(const Invocation& invocation, const Environment& environment) {
  utsname system{};
  uname(&system);
  Json libraries = Json::array();
  for (const LibraryVersion& library : library_versions())
    libraries.push_back(library.name + " " + library.version);
  std::vector<std::string> command = invocation.arguments;
  command.front() = "dml_engine";
  return {{"version", version()},
          {"libraries", libraries},
          {"git_revision", git_revision()},
          {"command", shell_line(command)},
          {"machine",
           {{"cpu", cpu_name()},
            {"usable_cores", environment.usable_cores},
            {"system", std::string(system.sysname) + " " + system.release + " " + system.machine}}}};
}

/// Makes the runs that are not there yet.
class Study {
 public:
  Study(const Invocation& invocation, const Environment& environment, const StudyGrid& grid)
      : invocation_(invocation),
        environment_(environment),
        directory_(invocation.config.run_dir, grid, about(invocation, environment)),
        runs_(runs_of(grid)),
        line_(invocation.quiet) {}

  /// True when all are there, false when a signal stopped it.
  bool run() {
    std::size_t done = 0;
    for (const StudyRun& run : runs_) done += directory_.records().contains(run.id) ? 1 : 0;
    if (done > 0) {
      line_.say("going on: " + std::to_string(done) + " of " + plural(std::int64_t(runs_.size()), "run") +
                " are there");
    }
    for (const StudyRun& run : runs_) {
      if (directory_.records().contains(run.id)) continue;
      if (stop_.requested() || !make(run, ++done)) return false;
    }
    line_.clear();
    return true;
  }

  [[nodiscard]] std::size_t finished() const { return directory_.records().size(); }
  [[nodiscard]] std::size_t all() const { return runs_.size(); }

 private:
  bool make(const StudyRun& run, std::size_t number) {
    const std::string title = "[" + std::to_string(number) + "/" + std::to_string(runs_.size()) + "] " +
                              run.title + time_left(number);
    line_.title(title);
    const std::string folder = directory_.fresh_run_directory(run.id);
    std::vector<std::string> command = {environment_.program, "train"};
    command.insert(command.end(), run.arguments.begin(), run.arguments.end());
    command.insert(command.end(), {"--run-dir", folder, "--json"});
    const std::int64_t start = monotonic_ns();
    const ChildResult child = run_child(
        command, [&](const std::string& text) { line_.progress(text); }, [&] { return stop_.requested(); });
    const double seconds = static_cast<double>(monotonic_ns() - start) * 1e-9;
    if (child.exit_code == 0) {
      directory_.append(read_run(run, folder, seconds));
      seconds_ += seconds;
      ++made_;
      return true;
    }
    if (stop_.requested()) return false;
    if (child.exit_code == static_cast<int>(ExitCode::negative)) {
      StudyRecord record;
      record.id = run.id;
      record.seed = run.seed;
      record.seconds = seconds;
      record.ended = utc_now();
      record.failure = child.last_errors;
      directory_.append(record);
      line_.say(title + ": " + child.last_errors);
      return true;
    }
    line_.clear();
    std::fprintf(stderr, "%s", child.last_errors.c_str());
    throw Error(static_cast<ExitCode>(child.exit_code),
                run.title + " ended with exit code " + std::to_string(child.exit_code) +
                    "; its own words are above. What was finished is kept. To repeat it:\n  " +
                    shell_line(command));
  }

  /// ", about 2:10 left" once a run has shown how long one takes.
  [[nodiscard]] std::string time_left(std::size_t number) const {
    if (made_ == 0) return "";
    const auto left = static_cast<double>(runs_.size() - number + 1);
    return ", about " + clock_time(left * seconds_ / static_cast<double>(made_)) + " left";
  }

  const StopRequest stop_;
  const Invocation& invocation_;
  const Environment& environment_;
  StudyDirectory directory_;
  std::vector<StudyRun> runs_;
  StatusLine line_;
  double seconds_ = 0;
  std::size_t made_ = 0;
};

void print_plan(const StudyGrid& grid) {
  std::vector<std::vector<std::string>> rows{{"section", "arm", "flags of its runs"}};
  for (const StudyComparison& comparison : grid.comparisons) {
    for (std::size_t i = 0; i < comparison.arms.size(); ++i) {
      const StudyArm& arm = comparison.arms[i];
      rows.push_back({i == 0 ? comparison.name : "",
                      arm.name + (i == comparison.baseline ? " (baseline)" : ""), shell_line(arm.arguments)});
    }
  }
  const auto seeds = static_cast<std::int64_t>(grid.seeds.size());
  std::fputs((aligned_table(rows, 3) + "\n" + plural(seeds, "seed") + ", " +
              plural(static_cast<std::int64_t>(runs_of(grid).size()), "run") + " in all\n")
                 .c_str(),
             stdout);
}

}  // namespace

int run_study(const Invocation& invocation, const Environment& environment) {
  const StudyGrid grid = expand_study(read_definition(invocation), environment);
  if (invocation.dry_run) {
    print_plan(grid);
    return 0;
  }
  check_samplers(grid);
  const std::string& directory = invocation.config.run_dir;
  {
    Study study(invocation, environment, grid);
    if (!study.run()) {
      std::fprintf(stderr, "\nstopped: %zu of %zu runs are in %s; go on with the same command\n",
                   study.finished(), study.all(), directory.c_str());
      return static_cast<int>(ExitCode::stopped);
    }
  }
  return write_report(directory, invocation.json);
}

}  // namespace dml
