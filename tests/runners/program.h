// A program under test as a child process: what it printed, how it ended, how long that took.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace dml {

struct ProgramResult {
  int exit_code = -1;  ///< 128 + n when it died of signal n
  std::string output, errors;
  std::chrono::milliseconds elapsed{};  ///< from its start
};

class Program {
 public:
  /// Starts `executable` with the words behind it, the test's own environment (without a launcher's
  /// variables) and `variables` on top. stdout goes to `output_path` when it is given, and is not read back
  /// then.
  Program(const std::string& executable, const std::vector<std::string>& words,
          const std::map<std::string, std::string>& variables = {}, const std::string& output_path = "");
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  /// Kills it when it still runs.
  ~Program();

  [[nodiscard]] pid_t pid() const { return pid_; }
  void send_signal(int signal) const;
  /// The processes it has started that live now, oldest first.
  [[nodiscard]] std::vector<pid_t> children() const;
  /// Waits for its end, at most `limit`; then it is killed and exit_code is -1.
  ProgramResult wait(std::chrono::milliseconds limit = std::chrono::seconds(60));

 private:
  std::string directory_;  ///< holds files that take its output
  std::string output_path_;
  pid_t pid_ = -1;
  bool running_ = true;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace dml
