#include "runners/child_run.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/base/error.h"

namespace dml {
namespace {

constexpr std::size_t kKeptErrorBytes = 8192;
constexpr int kMillisecondsBetweenLooks = 100;

/// Both ends of a pipe, closed when it goes.
class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) {
      throw UnavailableError(std::string("cannot start a run: pipe2: ") + std::strerror(errno));
    }
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_end(0);
    close_end(1);
  }

  [[nodiscard]] int reader() const { return ends_[0]; }
  [[nodiscard]] int writer() const { return ends_[1]; }
  void close_end(std::size_t end) {
    if (ends_[end] >= 0) close(ends_[end]);
    ends_[end] = -1;
  }

 private:
  std::array<int, 2> ends_ = {-1, -1};
};

/// Reads what is there; false at the end of the stream.
bool read_some(int descriptor, std::string& text) {
  std::array<char, 4096> chunk{};
  const ssize_t bytes = read(descriptor, chunk.data(), chunk.size());
  if (bytes < 0) return errno == EINTR || errno == EAGAIN;
  text.append(chunk.data(), static_cast<std::size_t>(bytes));
  return bytes > 0;
}

void take_lines(std::string& text, std::string& kept,
                const std::function<void(const std::string&)>& on_line) {
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = text.substr(begin, end - begin);
    kept += line + "\n";
    on_line(line);
  }
  text.erase(0, begin);
  if (kept.size() > kKeptErrorBytes) kept.erase(0, kept.size() - kKeptErrorBytes);
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& arguments,
                      const std::function<void(const std::string&)>& on_line,
                      const std::function<bool()>& stop) {
  Pipe output;
  Pipe errors;
  std::vector<char*> words;
  words.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);

  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) throw UnavailableError(std::string("cannot start a run: fork: ") + std::strerror(errno));
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);  // what this process blocks is not the child's business
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
    dup2(output.writer(), STDOUT_FILENO);
    dup2(errors.writer(), STDERR_FILENO);
    execv("/proc/self/exe", words.data());
    _exit(127);
  }
  output.close_end(1);
  errors.close_end(1);

  ChildResult result;
  std::string unfinished;
  std::array<pollfd, 2> polled = {pollfd{output.reader(), POLLIN, 0}, pollfd{errors.reader(), POLLIN, 0}};
  bool told = false;
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    const int events = poll(polled.data(), polled.size(), stop && !told ? kMillisecondsBetweenLooks : -1);
    if (!told && stop && stop()) {
      told = true;
      kill(child, SIGTERM);
    }
    if (events <= 0) continue;
    if (polled[0].revents != 0 && !read_some(polled[0].fd, result.output)) polled[0].fd = -1;
    if (polled[1].revents != 0) {
      if (!read_some(polled[1].fd, unfinished)) polled[1].fd = -1;
      take_lines(unfinished, result.last_errors, on_line);
    }
  }
  result.last_errors += unfinished;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

}  // namespace dml
