#include "tests/runners/program.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "runners/launch/contract.h"

namespace dml {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

Program::Program(const std::string& executable, const std::vector<std::string>& words,
                 const std::map<std::string, std::string>& variables, const std::string& output_path)
    : start_(std::chrono::steady_clock::now()) {
  std::string pattern = (fs::temp_directory_path() / "dml-program-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  directory_ = pattern;
  output_path_ = output_path.empty() ? directory_ + "/output" : output_path;
  const std::string error_path = directory_ + "/errors";

  std::map<std::string, std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    if (!is_contract_variable(name)) environment[name] = text.substr(name.size() + 1);
  }
  for (const auto& [name, value] : variables) environment[name] = value;
  std::vector<std::string> storage;
  for (const auto& [name, value] : environment) storage.push_back(name + "=" + value);
  std::vector<char*> environment_pointers;
  for (std::string& text : storage) environment_pointers.push_back(text.data());
  environment_pointers.push_back(nullptr);
  std::vector<std::string> all_words = {executable};
  all_words.insert(all_words.end(), words.begin(), words.end());
  std::vector<char*> word_pointers;
  for (std::string& word : all_words) word_pointers.push_back(word.data());
  word_pointers.push_back(nullptr);

  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    const int output = open(output_path_.c_str(), O_WRONLY | O_CREAT, 0600);
    const int errors = open(error_path.c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(output, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    execve(executable.c_str(), word_pointers.data(), environment_pointers.data());
    _exit(127);
  }
}

Program::~Program() {
  if (running_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  fs::remove_all(directory_);
}

void Program::send_signal(int signal) const {
  if (running_) kill(pid_, signal);
}

std::vector<pid_t> Program::children() const {
  std::vector<pid_t> found;
  std::ifstream file("/proc/" + std::to_string(pid_) + "/task/" + std::to_string(pid_) + "/children");
  for (pid_t child = 0; file >> child;) found.push_back(child);
  if (!file.is_open()) return found;
  std::sort(found.begin(), found.end());
  return found;
}

ProgramResult Program::wait(milliseconds limit) {
  ProgramResult result;
  int status = 0;
  const auto end = std::chrono::steady_clock::now() + limit;
  while (running_ && std::chrono::steady_clock::now() < end) {
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      running_ = false;
      result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    } else {
      std::this_thread::sleep_for(milliseconds(2));
    }
  }
  result.elapsed = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start_);
  if (running_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    running_ = false;
  }
  if (output_path_.starts_with(directory_)) result.output = read_file(output_path_);
  result.errors = read_file(directory_ + "/errors");
  return result;
}

}  // namespace dml
