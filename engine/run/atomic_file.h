// A file that appears complete or not at all, also when the process is killed or the power fails.
//
// The bytes go to a temporary file in the same directory; commit() makes them durable (fsync), renames it
// over the target (atomic within a file system) and makes the rename durable (fsync of the directory). Until
// then readers see the old file or none. Whatever fails, the temporary file is removed.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace dml {

/// Temporary files are named TARGET + kTemporaryInfix + process id + number.
constexpr const char* kTemporaryInfix = ".tmp-";

class AtomicFile {
 public:
  /// Creates the temporary file. A symbolic link is followed, so that its target is what gets replaced.
  /// Throws IoError naming path and cause, also when the path is a directory or a device.
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  /// Removes the temporary file unless commit() has succeeded.
  ~AtomicFile();

  /// Appends all bytes. Throws IoError (no space, file size limit, device error); never a partial success,
  /// and never the death by SIGXFSZ that a file size limit means by default.
  void write(std::span<const std::uint8_t> bytes);

  /// Makes the file appear. Nothing may be written afterwards. Throws IoError.
  void commit();

 private:
  [[noreturn]] void fail(const std::string& what, int error);
  void discard() noexcept;

  std::string path_;       ///< as the caller named it, for messages
  std::string target_;     ///< with symbolic links resolved
  std::string temporary_;  ///< empty once there is nothing to remove
  int descriptor_ = -1;
};

/// One call for content that is already in memory.
void write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes);
void write_file_atomically(const std::string& path, const std::string& text);

}  // namespace dml
