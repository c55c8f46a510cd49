#include "engine/train/trace.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "engine/train/agreement.h"

namespace dml {
namespace {

static_assert(std::is_trivially_copyable_v<TraceRecord>, "records travel as bytes");

std::vector<TraceRecord> records_of(const std::string& bytes) {
  std::vector<TraceRecord> records(bytes.size() / sizeof(TraceRecord));
  if (!records.empty()) std::memcpy(static_cast<void*>(records.data()), bytes.data(), bytes.size());
  return records;
}

nlohmann::json event(const char* name, const char* category, std::size_t rank, std::int64_t step,
                     std::int64_t start_ns, std::int64_t duration_ns) {
  return {{"name", name},
          {"cat", category},
          {"ph", "X"},
          {"pid", rank},
          {"tid", 0},
          {"ts", static_cast<double>(start_ns) * 1e-3},
          {"dur", static_cast<double>(duration_ns) * 1e-3},
          {"args", {{"step", step}}}};
}

}  // namespace

std::string gather_trace(const Timeline& timeline, Communicator& communicator, Stream& stream) {
  const std::vector<TraceRecord> mine = timeline.trace();
  const std::string bytes(reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(TraceRecord));
  const std::vector<std::string> all = gather_texts(communicator, stream, bytes);
  if (communicator.rank() != 0) return "";

  std::int64_t origin_ns = std::numeric_limits<std::int64_t>::max();
  for (const std::string& rank : all) {
    for (const TraceRecord& record : records_of(rank)) origin_ns = std::min(origin_ns, record.start_ns);
  }
  nlohmann::json events = nlohmann::json::array();
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    events.push_back({{"name", "process_name"},
                      {"ph", "M"},
                      {"pid", rank},
                      {"args", {{"name", "rank " + std::to_string(rank)}}}});
    for (const TraceRecord& record : records_of(all[rank])) {
      const bool is_compute = record.category == TraceRecord::Category::compute;
      const std::int64_t start_ns = record.start_ns - origin_ns;
      const std::int64_t length_ns = record.end_ns - record.start_ns;
      if (record.wait_ns > 0)
        events.push_back(event("wait", "wait", rank, record.step, start_ns, record.wait_ns));
      events.push_back(event(record.name, is_compute ? "compute" : "communication", rank, record.step,
                             start_ns + record.wait_ns, length_ns - record.wait_ns));
    }
  }
  return nlohmann::json{{"displayTimeUnit", "ms"}, {"traceEvents", events}}.dump();
}

}  // namespace dml
