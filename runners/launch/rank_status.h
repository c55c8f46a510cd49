// What a rank tells the supervisor that started it: its step, through a shared page, and why it failed,
// through a file. Both live in the supervisor's private directory, so the supervisor can speak for a rank
// that is dead.
//
// Layout of the file "progress": one 64-byte slot per rank (a cache line each, so ranks do not disturb one
// another). Layout of "failure-N": the exit code, a space, "cause" or "peer", a newline, the message.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "kernels/base/error.h"

namespace dml {

/// `step` is the last one reported, -1 before the first.
struct alignas(64) ProgressSlot {
  std::atomic<std::int64_t> step;
};
static_assert(sizeof(ProgressSlot) == 64, "a slot is one cache line");
static_assert(std::atomic<std::int64_t>::is_always_lock_free, "slots are shared between processes");

/// The progress page of a run, mapped into this process.
class ProgressPage {
 public:
  /// Made by the supervisor; all steps are -1. Throws IoError.
  static std::shared_ptr<ProgressPage> create(const std::filesystem::path& directory, int ranks);
  /// Mapped by a rank. Throws IoError.
  static std::shared_ptr<ProgressPage> open(const std::filesystem::path& directory, int ranks);

  ProgressPage(const ProgressPage&) = delete;
  ProgressPage& operator=(const ProgressPage&) = delete;
  ~ProgressPage();

  [[nodiscard]] ProgressSlot& slot(int rank) const { return slots_[static_cast<std::size_t>(rank)]; }

 private:
  explicit ProgressPage(std::span<ProgressSlot> slots) : slots_(slots) {}
  static std::shared_ptr<ProgressPage> map(const std::filesystem::path& directory, int ranks, int open_flags);
  std::span<ProgressSlot> slots_;
};

/// Why a rank ended, in its own words.
struct RankFailure {
  ExitCode code = ExitCode::internal;
  bool lost_peer = false;  ///< it only noticed that another rank was gone
  std::string message;
};

/// Written whole or not at all; an error while writing is swallowed, for the rank has a worse one to report.
void write_rank_failure(const std::filesystem::path& directory, int rank,
                        const RankFailure& failure) noexcept;

/// Nothing when the rank left no such file.
std::optional<RankFailure> read_rank_failure(const std::filesystem::path& directory, int rank);

}  // namespace dml
