// The one family of errors the engine throws, and the process exit code each of them means.
//
// A recoverable error (bad input, a peer that died, a full disk) is one of the classes below: its message is
// a paragraph a user can act on, naming the file, flag, rank or value at fault and the fix. A broken
// invariant of our own is DML_ASSERT, which quotes the expression.
#pragma once

#include <stdexcept>
#include <string>

namespace dml {

/// Process exit codes, after sysexits.h where it has a word for the case.
enum class ExitCode : int {
  ok = 0,
  negative = 1,      ///< ran, and the answer is no (the loss became NaN)
  usage = 64,        ///< unknown or impossible flags
  data = 65,         ///< a file exists but its content is wrong
  unavailable = 69,  ///< a device or a peer is not there
  internal = 70,     ///< a broken invariant of ours
  io = 74,           ///< the operating system refused to read or write
  stopped = 75,      ///< stopped by a signal, with a checkpoint to resume from
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// The run finished its work and the answer is no, for example a loss that became NaN.
struct NegativeResult : Error {
  explicit NegativeResult(const std::string& message) : Error(ExitCode::negative, message) {}
};
/// A flag, a word or a combination of them that cannot work.
struct UsageError : Error {
  explicit UsageError(const std::string& message) : Error(ExitCode::usage, message) {}
};
/// A file whose content is not what its format or its neighbours promise.
struct DataError : Error {
  explicit DataError(const std::string& message) : Error(ExitCode::data, message) {}
};
/// A device or library that is not there.
struct UnavailableError : Error {
  explicit UnavailableError(const std::string& message) : Error(ExitCode::unavailable, message) {}
};
/// A device has no room for what was asked; the message says how much, for what, and how much there is.
struct OutOfMemoryError : UnavailableError {
  using UnavailableError::UnavailableError;
};
/// Another rank that died, stalled past the deadline or never joined.
struct PeerError : UnavailableError {
  using UnavailableError::UnavailableError;
};
/// The operating system refused: no space, no permission, no such file.
struct IoError : Error {
  explicit IoError(const std::string& message) : Error(ExitCode::io, message) {}
};
/// A broken invariant of the engine itself; see DML_ASSERT.
struct InternalError : Error {
  explicit InternalError(const std::string& message) : Error(ExitCode::internal, message) {}
};

[[noreturn]] void fail_assertion(const char* expression, const char* file, int line,
                                 const std::string& message);

}  // namespace dml

/// Throws InternalError quoting the expression when it does not hold. Stays on in release builds.
#define DML_ASSERT(expression, message) \
  ((expression) ? static_cast<void>(0) : ::dml::fail_assertion(#expression, __FILE__, __LINE__, (message)))
