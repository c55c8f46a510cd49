#include "engine/run/atomic_file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <pthread.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "kernels/base/error.h"

namespace dml {
namespace {

namespace fs = std::filesystem;

/// While it lives, a write past the file size limit (`ulimit -f`) fails with EFBIG and does not kill the
/// process: the signal of this thread is held back, and taken off the queue if it came.
class FileSizeSignalBlock {
 public:
  FileSizeSignalBlock() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &signals_, &previous_);
  }
  FileSizeSignalBlock(const FileSizeSignalBlock&) = delete;
  FileSizeSignalBlock& operator=(const FileSizeSignalBlock&) = delete;
  ~FileSizeSignalBlock() {
    const timespec at_once{};
    sigtimedwait(&signals_, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
  }

 private:
  sigset_t signals_{};
  sigset_t previous_{};
};

std::string directory_of(const std::string& path) {
  const std::string directory = fs::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

std::string resolve_links(const std::string& path) {
  std::error_code error;
  if (!fs::is_symlink(path, error)) return path;
  const fs::path resolved = fs::weakly_canonical(path, error);
  return error ? path : resolved.string();
}

/// Makes a finished rename durable. File systems that cannot do that for directories say EINVAL or ENOTSUP,
/// and have nothing better to offer.
int sync_directory(const std::string& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  return error == EINVAL || error == ENOTSUP ? 0 : error;
}

std::string advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space or choose another directory";
    case EFBIG:
      return "; raise the file size limit (ulimit -f) or choose another directory";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; choose a directory that you may write to";
    case ENOENT:
    case ENOTDIR:
      return "; its directory must exist first";
    default:
      return "";
  }
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path), target_(resolve_links(path)) {
  struct stat status {};
  if (::stat(target_.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw IoError(path_ + ": cannot be written: it exists and is not a regular file; choose another name");
  }
  // Unique among processes by the id, among threads by the counter, and O_EXCL guards against leftovers.
  static std::atomic<unsigned> counter{0};
  do {
    temporary_ = target_ + kTemporaryInfix + std::to_string(::getpid()) + "-" + std::to_string(counter++);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) {
    const int error = errno;
    temporary_.clear();
    fail("cannot be written", error);
  }
}

AtomicFile::~AtomicFile() {
  discard();
}

void AtomicFile::write(std::span<const std::uint8_t> bytes) {
  DML_ASSERT(descriptor_ >= 0, "a committed or failed file was written to");
  const FileSizeSignalBlock guard;
  while (!bytes.empty()) {
    const ssize_t done = ::write(descriptor_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail("writing failed", done < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
}

void AtomicFile::commit() {
  DML_ASSERT(descriptor_ >= 0, "a committed or failed file was committed");
  if (::fsync(descriptor_) != 0) fail("writing failed", errno);
  // close() can report an error of an earlier write too, on network file systems.
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("writing failed", errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot be replaced", errno);
  temporary_.clear();
  const int error = sync_directory(directory_of(target_));
  if (error != 0)
    fail("is complete, but may be lost if the power fails, because its directory cannot be synced", error);
}

/// Removes what there is and throws. `error` is the cause as errno has it.
void AtomicFile::fail(const std::string& what, int error) {
  discard();
  throw IoError(path_ + ": " + what + ": " + std::strerror(error) + advice(error));
}

void AtomicFile::discard() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  if (temporary_.empty()) return;
  if (::unlink(temporary_.c_str()) != 0 && errno != ENOENT) {
    std::fprintf(stderr, "warning: the temporary file %s could not be removed: %s\n", temporary_.c_str(),
                 std::strerror(errno));
  }
  temporary_.clear();
}

void write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file_atomically(const std::string& path, const std::string& text) {
  // Any object may be looked at as bytes.
  write_file_atomically(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace dml
