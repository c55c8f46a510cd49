// Where the time of a rank goes: compute, exposed communication, wait for other ranks, other.
//
// Every action of a step is recorded with its start and end on the host's monotonic clock, which all
// processes of one host share. A communication that begins before its partners have arrived first waits for
// them; that part is known only when the ranks put their records side by side (split_communication), which
// they do between epochs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/train/step_times.h"

namespace dml {

/// Nanoseconds on the host's monotonic clock.
std::int64_t monotonic_ns();

/// One communication as one rank saw it.
struct CommunicationRecord {
  enum class Kind : std::int64_t { collective, send, receive };
  Kind kind = Kind::collective;
  std::int64_t peer = -1;  ///< of a send or receive
  std::int64_t start_ns = 0, end_ns = 0;
};

/// One action for the trace.
struct TraceRecord {
  enum class Category : std::int64_t { compute, communication };
  Category category = Category::compute;
  std::int64_t step = 0;
  std::int64_t start_ns = 0, end_ns = 0;
  std::int64_t wait_ns = 0;  ///< leading part of a communication that waited for a peer, once known
  char name[40] = {};
};

/// Seconds of one rank; they add up to the time between the first and the last step.
struct TimeSplit {
  double compute_seconds = 0, exposed_communication_seconds = 0, wait_seconds = 0, other_seconds = 0;
};

/// For each communication of rank `rank`, how long it waited for the ranks it needed: a collective waits for
/// the last rank to arrive, a receive for its sender to begin. `records[r]` are rank r's, in the order they
/// happened; the i-th collective of each rank is one operation, and the i-th receive of b from a is a's i-th
/// send to b.
std::vector<std::int64_t> wait_times_ns(std::span<const std::vector<CommunicationRecord>> records, int rank);

/// What one rank records while it runs.
class Timeline {
 public:
  /// `load`: this rank's samples of the step over an equal share of them.
  void begin_step(std::int64_t step, double load = 1) {
    step_ = step;
    step_times_.begin_step(load);
  }
  void add_compute(const char* name, std::int64_t start_ns, std::int64_t end_ns);
  /// The same for one of the phases that ranks are compared by.
  void add_phase(StepPhase phase, std::int64_t start_ns, std::int64_t end_ns);
  /// Time between entering a communication and handing it over: exposed communication of this rank alone.
  void add_preparation(std::int64_t start_ns, std::int64_t end_ns);
  void add_communication(const char* name, const CommunicationRecord& record);

  [[nodiscard]] std::int64_t compute_ns() const { return compute_ns_; }
  [[nodiscard]] std::int64_t preparation_ns() const { return preparation_ns_; }
  [[nodiscard]] const StepTimes& step_times() const { return step_times_; }
  [[nodiscard]] const std::vector<CommunicationRecord>& communications() const { return communications_; }
  /// Adds the times found by wait_times_ns() for all communications recorded so far and forgets those.
  void settle(std::span<const std::int64_t> waits_ns);
  /// What training put on the wire; nothing once a communicator did not say.
  void add_bytes(std::optional<std::int64_t> before, std::optional<std::int64_t> after) {
    bytes_ = bytes_ && before && after ? std::optional(*bytes_ + *after - *before) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::int64_t> bytes_sent() const { return bytes_; }
  [[nodiscard]] std::int64_t wait_ns() const { return wait_ns_; }
  [[nodiscard]] std::int64_t exposed_communication_ns() const { return exposed_ns_; }
  /// Where `total_seconds` went, of which everything settled so far is a part; what is left is `other`.
  [[nodiscard]] TimeSplit split(double total_seconds) const;
  /// The actions of the newest steps (all of the last settled ones that fit kTraceRecords), oldest first.
  [[nodiscard]] std::vector<TraceRecord> trace() const;
  /// Starts all sums from zero.
  void reset();

  static constexpr std::size_t kTraceRecords = 1024;

 private:
  void remember(TraceRecord::Category category, const char* name, std::int64_t start_ns, std::int64_t end_ns);

  std::int64_t step_ = 0;
  std::int64_t compute_ns_ = 0, wait_ns_ = 0, exposed_ns_ = 0, preparation_ns_ = 0;
  std::optional<std::int64_t> bytes_ = 0;
  StepTimes step_times_;
  std::vector<CommunicationRecord> communications_;
  std::vector<std::size_t> trace_of_communication_;  // index into all records ever remembered
  std::vector<TraceRecord> trace_;                   // ring of kTraceRecords
  std::size_t remembered_ = 0;
};

}  // namespace dml
