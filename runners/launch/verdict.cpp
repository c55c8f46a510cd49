#include "runners/launch/verdict.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <vector>

namespace dml {
namespace {

using State = RankReport::State;

std::string in_seconds(std::chrono::milliseconds duration) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g s", static_cast<double>(duration.count()) / 1000);
  return text;
}

/// "rank 1 of 2 (pid 4711)".
std::string name_of(const RankReport& report, std::size_t ranks) {
  return "rank " + std::to_string(report.rank) + " of " + std::to_string(ranks) + " (pid " +
         std::to_string(report.pid) + ")";
}

std::string when(const RankReport& report) {
  return report.step < 0 ? "before its first step" : "at step " + std::to_string(report.step);
}

bool is_crash(int signal) {
  return signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS || signal == SIGILL || signal == SIGFPE;
}

Verdict blame_killed(const RankReport& report, std::size_t ranks) {
  std::string message = name_of(report, ranks) + " was killed by signal " + std::to_string(report.signal) +
                        " (" + strsignal(report.signal) + ") " + when(report) + ".";
  if (report.signal == SIGKILL)
    message += " If nobody meant to, the machine may have run out of memory: see dmesg.";
  if (is_crash(report.signal)) message += " This is a defect of the program, not of its input.";
  const ExitCode code = is_crash(report.signal) ? ExitCode::internal : ExitCode::unavailable;
  return {static_cast<int>(code), message};
}

Verdict blame_failed(const RankReport& report, std::span<const RankReport> reports) {
  if (!report.failure) {
    return {report.exit_code, name_of(report, reports.size()) + " exited with code " +
                                  std::to_string(report.exit_code) + " " + when(report) +
                                  " without giving a reason."};
  }
  // What every rank says is not about one of them (a data set that is missing).
  const bool unanimous = std::all_of(reports.begin(), reports.end(), [&](const RankReport& other) {
    return other.failure && other.failure->message == report.failure->message;
  });
  if (unanimous && reports.size() > 1) return {report.exit_code, "every rank: " + report.failure->message};
  return {report.exit_code,
          name_of(report, reports.size()) + " failed " + when(report) + ": " + report.failure->message};
}

Verdict blame_stalled(const RankReport& report, std::size_t ranks, std::chrono::milliseconds deadline) {
  std::string message = name_of(report, ranks) + " stalled " + when(report) +
                        ": the others waited for it longer than the deadline of " + in_seconds(deadline) +
                        ".";
  message += report.state == State::suspended ? " Its process is suspended (SIGSTOP)."
                                              : " If it was only slow, give it more time with --deadline.";
  return {static_cast<int>(ExitCode::unavailable), message};
}

}  // namespace

Verdict judge(std::span<const RankReport> reports, std::chrono::milliseconds deadline) {
  std::vector<RankReport> ordered(reports.begin(), reports.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const RankReport& left, const RankReport& right) { return left.order < right.order; });
  const auto first = [&](auto predicate) -> const RankReport* {
    const auto found = std::find_if(ordered.begin(), ordered.end(), predicate);
    return found == ordered.end() ? nullptr : &*found;
  };
  const auto lost_peer = [](const RankReport& report) {
    return report.state == State::failed && report.failure && report.failure->lost_peer;
  };

  if (const RankReport* cause = first([&](const RankReport& report) {
        return report.state == State::killed || (report.state == State::failed && !lost_peer(report));
      })) {
    return cause->state == State::killed ? blame_killed(*cause, reports.size())
                                         : blame_failed(*cause, reports);
  }
  const RankReport* victim = first(lost_peer);
  const RankReport* suspended =
      first([](const RankReport& report) { return report.state == State::suspended; });
  if (victim == nullptr && suspended == nullptr) {
    // Nobody failed: either all is well or a signal stopped the run, and rank 0 knows whether it left a
    // checkpoint.
    const auto stopped = std::find_if(reports.begin(), reports.end(), [](const RankReport& report) {
      return report.state == State::stopped;
    });
    return {stopped == reports.end() ? 0 : stopped->exit_code, ""};
  }
  if (const RankReport* stopped =
          first([](const RankReport& report) { return report.state == State::stopped; })) {
    return {stopped->exit_code, ""};  // asked to stop; its peers merely noticed
  }
  if (suspended != nullptr) return blame_stalled(*suspended, reports.size(), deadline);
  const RankReport* slowest = nullptr;
  for (const RankReport& report : reports) {
    if (report.state == State::running && (slowest == nullptr || report.step < slowest->step))
      slowest = &report;
  }
  if (slowest != nullptr) return blame_stalled(*slowest, reports.size(), deadline);
  return blame_failed(*victim, reports);
}

}  // namespace dml
