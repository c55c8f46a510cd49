// A store in a directory that all ranks of one host share: one file per key.
//
// A value is written to a temporary file and then linked to the key's name. link() is atomic and refuses a
// name that exists, so a reader sees a whole value or none and a key never changes. Keys become file names by
// an injective escape: letters, digits, '-' and '_' stand for themselves, every other byte is %XX.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "engine/comm/operation_failure.h"
#include "engine/comm/store.h"
#include "kernels/base/error.h"

namespace dml {
namespace {

using Clock = std::chrono::steady_clock;

// A key usually appears within a millisecond of its first reader; after that the wait is for a process to
// start.
constexpr std::chrono::microseconds kFirstPause{200};
constexpr std::chrono::microseconds kLongestPause{5000};
// Longest file name of every common file system, less the temporary suffix.
constexpr std::size_t kLongestFileName = 200;

std::string escape(const std::string& key) {
  constexpr char kHexDigits[] = "0123456789ABCDEF";
  std::string name;
  for (const char letter : key) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '_';
    if (plain) {
      name += letter;
    } else {
      name += {'%', kHexDigits[byte >> 4U], kHexDigits[byte & 15U]};
    }
  }
  return name;
}

/// Closes a file descriptor; what close() says is asked for where it matters, before this runs.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

[[noreturn]] void fail(const std::string& what, const std::string& path, int error) {
  throw IoError("cannot " + what + " '" + path + "' of the rendezvous directory: " + std::strerror(error) +
                ". Every rank needs to read and write that directory.");
}

class DirectoryStore final : public Store {
 public:
  DirectoryStore(std::string directory, WhileWaiting while_waiting)
      : directory_(std::move(directory)), while_waiting_(std::move(while_waiting)) {
    if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) fail("create", directory_, errno);
    struct stat status {};
    if (::stat(directory_.c_str(), &status) != 0) fail("read", directory_, errno);
    if (!S_ISDIR(status.st_mode)) fail("use", directory_, ENOTDIR);
  }

  void set(const std::string& key, const std::string& value) override {
    const std::string path = path_of(key);
    const std::string temporary = write_temporary(value);
    const int error = ::link(temporary.c_str(), path.c_str()) == 0 ? 0 : errno;
    ::unlink(temporary.c_str());
    if (error == EEXIST) {
      throw UsageError(
          "the key '" + key + "' is in the rendezvous directory '" + directory_ +
          "' already: it holds the remains of an earlier run, or two ranks have the same number. Give "
          "every run a directory of its own.");
    }
    if (error != 0) fail("create", path, error);
  }

  std::string get(const std::string& key, std::chrono::milliseconds timeout) override {
    const std::string path = path_of(key);
    const auto start = Clock::now();
    auto pause = kFirstPause;
    for (;;) {
      const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (file.get() >= 0) return read_file(file, path);
      if (errno != ENOENT) fail("open", path, errno);
      const auto waited = Clock::now() - start;
      if (waited >= timeout) throw missing_key(key, "the rendezvous directory '" + directory_ + "'", waited);
      if (while_waiting_) while_waiting_();
      std::this_thread::sleep_for(std::min<Clock::duration>(pause, timeout - waited));
      pause = std::min(pause * 2, kLongestPause);
    }
  }

 private:
  [[nodiscard]] std::string path_of(const std::string& key) const {
    DML_ASSERT(!key.empty(), "a store's key is empty");
    const std::string name = escape(key);
    DML_ASSERT(name.size() <= kLongestFileName, "a store's key is too long for a file name: " + key);
    return directory_ + "/" + name;
  }

  /// Writes `value` to a new file in the directory and returns its path.
  [[nodiscard]] std::string write_temporary(const std::string& value) const {
    static std::atomic<unsigned> serial{0};
    std::string path;
    int descriptor = -1;
    do {  // a name may be there already: of a process with this number on another host, or before this one
      path = directory_ + "/.new." + std::to_string(::getpid()) + "." + std::to_string(serial++);
      descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    } while (descriptor < 0 && errno == EEXIST);
    if (descriptor < 0) fail("create", path, errno);
    const File file(descriptor);
    std::size_t written = 0;
    while (written < value.size()) {
      const ssize_t count = ::write(file.get(), value.data() + written, value.size() - written);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        const int error = errno;
        ::unlink(path.c_str());
        fail("write", path, error);
      }
      written += static_cast<std::size_t>(count);
    }
    return path;
  }

  static std::string read_file(const File& file, const std::string& path) {
    std::string value;
    char block[4096];
    for (;;) {
      const ssize_t count = ::read(file.get(), block, sizeof block);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail("read", path, errno);
      if (count == 0) return value;
      value.append(block, static_cast<std::size_t>(count));
    }
  }

  std::string directory_;
  WhileWaiting while_waiting_;
};

}  // namespace

std::unique_ptr<Store> make_directory_store(const std::string& directory, WhileWaiting while_waiting) {
  return std::make_unique<DirectoryStore>(directory, std::move(while_waiting));
}

}  // namespace dml
