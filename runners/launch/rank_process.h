// One rank as a child process of the supervisor.
#pragma once

#include <csignal>
#include <string>
#include <sys/types.h>
#include <vector>

namespace dml {

struct RankProcessOptions {
  int rank = 0;
  std::string executable;
  std::vector<std::string> arguments;    ///< argv, the program's name first
  std::vector<std::string> environment;  ///< "NAME=value"
  sigset_t signal_mask{};                ///< what the rank starts with
};

/// Started by the constructor, which throws UnavailableError when the system refuses. The rank
///   - dies with this process, whatever ends it (PR_SET_PDEATHSIG);
///   - is in a process group of its own, so that Ctrl-C reaches the supervisor alone, which forwards it;
///   - reads nothing from stdin; rank 0 writes to our stdout and stderr, the other ranks' output of both
///   kinds goes to
///     our stderr line by line behind "[rank N] ".
class RankProcess {
 public:
  explicit RankProcess(const RankProcessOptions& options);
  RankProcess(const RankProcess&) = delete;
  RankProcess& operator=(const RankProcess&) = delete;
  /// Kills the rank if it still lives and waits for it.
  ~RankProcess();

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running() const { return running_; }
  /// As waitpid() gives it; meaningful once the rank has ended.
  [[nodiscard]] int wait_status() const { return wait_status_; }
  /// True when the process is suspended (state T of /proc/PID/stat).
  [[nodiscard]] bool suspended() const;

  /// Notices the end of the process without waiting for it; true when it has just ended.
  bool reap();
  void send_signal(int signal) const;

  /// The descriptor to poll for output, -1 when there is none.
  [[nodiscard]] int output() const { return output_; }
  /// Copies what the rank has written so far to our stderr; `last` also writes an unfinished line.
  void forward_output(bool last);

 private:
  void write_line(const std::string& line) const;

  int rank_ = 0;
  pid_t pid_ = -1;
  bool running_ = false;
  int wait_status_ = 0;
  int output_ = -1;
  std::string unfinished_line_;
};

/// The exit code of a rank whose program could not be executed, as shells have it.
constexpr int kCannotExecute = 127;

}  // namespace dml
