#include "kernels/base/file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/base/error.h"

namespace dml {
namespace {

/// A file descriptor open for reading, closed at the end of its scope.
class OpenFile {
 public:
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang; it means nothing for regular files.
  explicit OpenFile(const std::string& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) throw IoError(path + ": cannot be opened for reading: " + std::strerror(errno));
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() { ::close(descriptor_); }
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace

std::vector<std::uint8_t> read_file(const std::string& path, std::int64_t max_bytes) {
  const OpenFile file(path);
  struct stat status {};
  if (::fstat(file.descriptor(), &status) != 0) {
    throw IoError(path + ": its size cannot be read: " + std::strerror(errno));
  }
  if (S_ISDIR(status.st_mode)) throw IoError(path + ": is a directory; a file is expected here");
  if (!S_ISREG(status.st_mode))
    throw IoError(path + ": is not a regular file; copy its content into one first");
  if (status.st_size > max_bytes) {
    throw DataError(path + ": holds " + std::to_string(status.st_size) + " bytes, more than the " +
                    std::to_string(max_bytes) +
                    " that a file of this kind may have; check that it is the right file");
  }

  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(status.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file.descriptor(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw IoError(path + ": reading failed after " + std::to_string(done) +
                    " bytes: " + std::strerror(errno));
    if (got == 0) {
      throw IoError(path + ": became shorter while it was read (" + std::to_string(done) + " of " +
                    std::to_string(bytes.size()) + " bytes came); another program is writing it, try again");
    }
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace dml
