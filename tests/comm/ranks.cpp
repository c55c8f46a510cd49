#include "tests/comm/ranks.h"

#include <cstdlib>
#include <filesystem>
#include <poll.h>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace dml::test {
namespace {

using Clock = std::chrono::steady_clock;

std::string message_of(const std::function<void()>& function) {
  try {
    function();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

std::unique_ptr<Communicator> connect(const std::string& directory, int rank, int size,
                                      std::chrono::milliseconds deadline) {
  const auto store = make_directory_store(directory);
  return make_gloo_communicator(*store, {.rank = rank, .size = size, .deadline = deadline});
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "dml-comm-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot create " + pattern);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string to_string(CommunicatorKind kind) {
  return kind == CommunicatorKind::threads ? "threads" : "gloo";
}

std::vector<std::string> run_ranks_as_threads(CommunicatorKind kind, int size, const RankFunction& function,
                                              std::chrono::milliseconds deadline) {
  const TemporaryDirectory directory;
  std::vector<std::unique_ptr<Communicator>> made;
  if (kind == CommunicatorKind::threads) made = make_thread_communicators(size, deadline);
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    const auto i = static_cast<std::size_t>(rank);
    threads.emplace_back([&, i, rank] {
      errors[i] = message_of([&] {
        function(kind == CommunicatorKind::threads ? std::move(made[i])
                                                   : connect(directory.path(), rank, size, deadline));
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

std::vector<ProcessResult> run_ranks_as_processes(int size, const RankFunction& function,
                                                  std::chrono::milliseconds deadline) {
  const TemporaryDirectory directory;
  const auto start = Clock::now();
  std::vector<ProcessResult> results(static_cast<std::size_t>(size));
  std::vector<pid_t> processes;
  std::vector<int> pipes;
  for (int rank = 0; rank < size; ++rank) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe() failed");
    const pid_t process = ::fork();
    if (process < 0) throw std::runtime_error("fork() failed");
    if (process == 0) {
      ::close(ends[0]);
      const std::string error =
          message_of([&] { function(connect(directory.path(), rank, size, deadline)); });
      const ssize_t written = ::write(ends[1], error.data(), error.size());
      ::_exit(error.empty() && written == 0 ? 0 : 3);
    }
    ::close(ends[1]);
    processes.push_back(process);
    pipes.push_back(ends[0]);
  }
  // A pipe reports its end when its process has gone, so the times are those of the processes, in any order.
  std::size_t open = pipes.size();
  while (open > 0) {
    std::vector<pollfd> polled;
    for (const int end : pipes) polled.push_back({end, POLLIN, 0});
    ::poll(polled.data(), polled.size(), -1);
    for (std::size_t i = 0; i < pipes.size(); ++i) {
      if (pipes[i] < 0 || polled[i].revents == 0) continue;
      char text[4096];
      const ssize_t count = ::read(pipes[i], text, sizeof text);
      if (count > 0) {
        results[i].error.append(text, static_cast<std::size_t>(count));
        continue;
      }
      int status = 0;
      ::waitpid(processes[i], &status, 0);
      results[i].exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      results[i].seconds = std::chrono::duration<double>(Clock::now() - start).count();
      ::close(pipes[i]);
      pipes[i] = -1;
      --open;
    }
  }
  return results;
}

}  // namespace dml::test
