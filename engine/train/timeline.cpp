#include "engine/train/timeline.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <map>

#include "kernels/base/error.h"

namespace dml {
namespace {

using Kind = CommunicationRecord::Kind;

/// Start times of every rank's n-th collective: the latest one is when the operation can begin.
std::vector<std::int64_t> collective_arrivals_ns(std::span<const std::vector<CommunicationRecord>> records) {
  std::vector<std::int64_t> latest;
  for (const auto& rank : records) {
    std::size_t n = 0;
    for (const CommunicationRecord& record : rank) {
      if (record.kind != Kind::collective) continue;
      if (n == latest.size()) latest.push_back(std::numeric_limits<std::int64_t>::min());
      latest[n] = std::max(latest[n], record.start_ns);
      ++n;
    }
  }
  return latest;
}

/// Start times of the messages that `sender` sent to `receiver`, in order.
std::vector<std::int64_t> send_starts_ns(const std::vector<CommunicationRecord>& sender,
                                         std::int64_t receiver) {
  std::vector<std::int64_t> starts;
  for (const CommunicationRecord& record : sender) {
    if (record.kind == Kind::send && record.peer == receiver) starts.push_back(record.start_ns);
  }
  return starts;
}

}  // namespace

std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::vector<std::int64_t> wait_times_ns(std::span<const std::vector<CommunicationRecord>> records, int rank) {
  const std::vector<std::int64_t> arrivals = collective_arrivals_ns(records);
  std::map<std::int64_t, std::vector<std::int64_t>> sends;  // by sender
  std::map<std::int64_t, std::size_t> received;
  std::size_t collectives = 0;
  std::vector<std::int64_t> waits;
  for (const CommunicationRecord& record : records[static_cast<std::size_t>(rank)]) {
    std::int64_t ready = record.start_ns;
    if (record.kind == Kind::collective) {
      ready = arrivals[collectives++];
    } else if (record.kind == Kind::receive) {
      const auto peer = static_cast<std::size_t>(record.peer);
      auto [entry, is_new] = sends.try_emplace(record.peer);
      if (is_new) entry->second = send_starts_ns(records[peer], rank);
      const std::size_t n = received[record.peer]++;
      DML_ASSERT(n < entry->second.size(), "a message was received that nobody recorded sending");
      ready = entry->second[n];
    }
    waits.push_back(std::clamp<std::int64_t>(ready - record.start_ns, 0, record.end_ns - record.start_ns));
  }
  return waits;
}

void Timeline::remember(TraceRecord::Category category, const char* name, std::int64_t start_ns,
                        std::int64_t end_ns) {
  if (trace_.size() < kTraceRecords) trace_.resize(kTraceRecords);
  TraceRecord& record = trace_[remembered_ % kTraceRecords];
  record = {.category = category, .step = step_, .start_ns = start_ns, .end_ns = end_ns};
  std::snprintf(record.name, sizeof record.name, "%s", name);
  ++remembered_;
}

void Timeline::add_compute(const char* name, std::int64_t start_ns, std::int64_t end_ns) {
  compute_ns_ += end_ns - start_ns;
  remember(TraceRecord::Category::compute, name, start_ns, end_ns);
}

void Timeline::add_phase(StepPhase phase, std::int64_t start_ns, std::int64_t end_ns) {
  static const std::array<std::string, kStepPhases> kNames = {
      to_string(StepPhase::forward), to_string(StepPhase::backward), to_string(StepPhase::update),
      to_string(StepPhase::communicate)};
  step_times_.add(phase, end_ns - start_ns);
  add_compute(kNames[static_cast<std::size_t>(phase)].c_str(), start_ns, end_ns);
}

void Timeline::add_preparation(std::int64_t start_ns, std::int64_t end_ns) {
  step_times_.add(StepPhase::communicate, end_ns - start_ns);
  exposed_ns_ += end_ns - start_ns;
  preparation_ns_ += end_ns - start_ns;
}

void Timeline::add_communication(const char* name, const CommunicationRecord& record) {
  communications_.push_back(record);
  trace_of_communication_.push_back(remembered_);
  remember(TraceRecord::Category::communication, name, record.start_ns, record.end_ns);
}

void Timeline::settle(std::span<const std::int64_t> waits_ns) {
  DML_ASSERT(waits_ns.size() == communications_.size(), "one wait for each communication");
  for (std::size_t i = 0; i < waits_ns.size(); ++i) {
    const CommunicationRecord& record = communications_[i];
    wait_ns_ += waits_ns[i];
    exposed_ns_ += record.end_ns - record.start_ns - waits_ns[i];
    const std::size_t n = trace_of_communication_[i];
    if (n + kTraceRecords >= remembered_) trace_[n % kTraceRecords].wait_ns = waits_ns[i];
  }
  communications_.clear();
  trace_of_communication_.clear();
}

std::vector<TraceRecord> Timeline::trace() const {
  std::vector<TraceRecord> records;
  const std::size_t first = remembered_ > kTraceRecords ? remembered_ - kTraceRecords : 0;
  for (std::size_t n = first; n < remembered_; ++n) records.push_back(trace_[n % kTraceRecords]);
  return records;
}

TimeSplit Timeline::split(double total_seconds) const {
  TimeSplit split{.compute_seconds = static_cast<double>(compute_ns_) * 1e-9,
                  .exposed_communication_seconds = static_cast<double>(exposed_ns_) * 1e-9,
                  .wait_seconds = static_cast<double>(wait_ns_) * 1e-9,
                  .other_seconds = 0};
  split.other_seconds =
      total_seconds - split.compute_seconds - split.exposed_communication_seconds - split.wait_seconds;
  return split;
}

void Timeline::reset() {
  compute_ns_ = wait_ns_ = exposed_ns_ = preparation_ns_ = 0;
  bytes_ = 0;
  step_times_.reset();
  communications_.clear();
  trace_of_communication_.clear();
}

}  // namespace dml
