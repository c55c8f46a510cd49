#include "runners/launch/rank_process.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/base/error.h"

namespace dml {
namespace {

constexpr std::size_t kLongestLineBytes = 16384;  // a longer one is cut, so that memory stays bounded

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  result.reserve(words.size() + 1);
  for (const std::string& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

/// Runs in the child between fork and exec: only async-signal-safe calls.
[[noreturn]] void become_rank(const RankProcessOptions& options, pid_t parent, int output,
                              char* const* arguments, char* const* environment) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kCannotExecute);  // the parent died before the line above
  setpgid(0, 0);
  const int nothing = open("/dev/null", O_RDONLY);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  if (output >= 0) {
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
  }
  sigprocmask(SIG_SETMASK, &options.signal_mask, nullptr);
  execve(options.executable.c_str(), arguments, environment);
  _exit(kCannotExecute);
}

}  // namespace

RankProcess::RankProcess(const RankProcessOptions& options) : rank_(options.rank) {
  std::array<int, 2> ends = {-1, -1};
  const auto fail = [&](const char* what) {
    const std::string reason = std::strerror(errno);
    for (const int end : ends) {
      if (end >= 0) close(end);
    }
    return UnavailableError("cannot start rank " + std::to_string(rank_) + ": " + what + ": " + reason);
  };
  if (rank_ > 0 && pipe2(ends.data(), O_CLOEXEC) != 0) throw fail("pipe2");

  const std::vector<char*> arguments = pointers(options.arguments);
  const std::vector<char*> environment = pointers(options.environment);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw fail("fork");
  if (pid_ == 0) become_rank(options, parent, ends[1], arguments.data(), environment.data());
  running_ = true;
  if (rank_ > 0) {
    close(ends[1]);
    output_ = ends[0];
    fcntl(output_, F_SETFL, O_NONBLOCK);
  }
}

RankProcess::~RankProcess() {
  if (running_) {
    send_signal(SIGKILL);
    waitpid(pid_, &wait_status_, 0);
  }
  if (output_ >= 0) close(output_);
}

bool RankProcess::suspended() const {
  if (!running_) return false;
  // "PID (NAME) STATE ...", where NAME may itself hold parentheses.
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t end_of_name = line.rfind(')');
  return end_of_name != std::string::npos && end_of_name + 2 < line.size() && line[end_of_name + 2] == 'T';
}

bool RankProcess::reap() {
  if (!running_ || waitpid(pid_, &wait_status_, WNOHANG) != pid_) return false;
  running_ = false;
  return true;
}

void RankProcess::send_signal(int signal) const {
  if (running_) kill(pid_, signal);
}

void RankProcess::forward_output(bool last) {
  if (output_ < 0) return;
  std::array<char, 4096> chunk{};
  bool at_end = false;
  for (;;) {
    const ssize_t bytes = read(output_, chunk.data(), chunk.size());
    if (bytes < 0 && errno == EINTR) continue;
    at_end = bytes == 0;
    if (bytes <= 0) break;
    unfinished_line_.append(chunk.data(), static_cast<std::size_t>(bytes));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = unfinished_line_.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      write_line(unfinished_line_.substr(begin, end - begin));
    }
    unfinished_line_.erase(0, begin);
    if (unfinished_line_.size() > kLongestLineBytes) {
      write_line(unfinished_line_);
      unfinished_line_.clear();
    }
  }
  if ((at_end || last) && !unfinished_line_.empty()) {
    write_line(unfinished_line_);
    unfinished_line_.clear();
  }
  if (at_end) {
    close(output_);
    output_ = -1;
  }
}

void RankProcess::write_line(const std::string& line) const {
  std::fprintf(stderr, "[rank %d] %s\n", rank_, line.c_str());
}

}  // namespace dml
