// Worlds of ranks for tests: as threads of this process, and as forked processes.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/comm/communicator.h"

namespace dml::test {

/// A fresh directory that is removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

enum class CommunicatorKind { threads, gloo };

std::string to_string(CommunicatorKind kind);

/// What one rank does with its communicator, which it owns.
using RankFunction = std::function<void(std::unique_ptr<Communicator>)>;

inline constexpr std::chrono::milliseconds kAmpleDeadline{20000};

/// Runs `function` on `size` ranks, each a thread with a communicator of `kind`, and waits for all of them.
/// Returns by rank what an exception said that left the function or the making of its communicator; empty
/// where none did.
std::vector<std::string> run_ranks_as_threads(CommunicatorKind kind, int size, const RankFunction& function,
                                              std::chrono::milliseconds deadline = kAmpleDeadline);

/// How a rank that was a process ended.
struct ProcessResult {
  std::string error;     ///< what an exception said that left its function; empty where none did
  int exit_status = -1;  ///< 0 when the function returned, 3 after an exception, -1 when a signal ended it
  double seconds = 0;    ///< from the start of the world to the end of the process
};

/// The same with a forked process a rank and Gloo. `function` may end its process with _exit().
std::vector<ProcessResult> run_ranks_as_processes(int size, const RankFunction& function,
                                                  std::chrono::milliseconds deadline = kAmpleDeadline);

}  // namespace dml::test
