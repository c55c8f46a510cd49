#include "engine/comm/operation_failure.h"

#include <cstdio>

namespace dml {

std::string OperationCall::text() const {
  std::string text = name;
  if (elements >= 0) text += " of " + std::to_string(elements) + " " + to_string(dtype);
  if (preposition != nullptr) text += std::string(" ") + preposition + " rank " + std::to_string(peer);
  if (from >= 0) text += " and from rank " + std::to_string(from);
  return text;
}

std::string duration_text(std::chrono::steady_clock::duration duration) {
  const double ms = std::chrono::duration<double, std::milli>(duration).count();
  char text[32];
  if (ms < 1000) {
    std::snprintf(text, sizeof text, "%.0f ms", ms);
  } else {
    std::snprintf(text, sizeof text, "%.1f s", ms / 1000);
  }
  return text;
}

PeerError operation_failure(int rank, const OperationCall& call, std::chrono::steady_clock::duration elapsed,
                            std::chrono::milliseconds deadline, const std::string& cause) {
  return PeerError("rank " + std::to_string(rank) + ": " + call.text() + " failed after " +
                   duration_text(elapsed) + " (deadline " + duration_text(deadline) + "): " + cause);
}

PeerError unusable_communicator(int rank, const OperationCall& call, const std::string& first_failure) {
  return PeerError("rank " + std::to_string(rank) + ": " + call.text() +
                   " is not possible: the communicator is unusable since an earlier failure (" +
                   first_failure + ")");
}

PeerError missing_key(const std::string& key, const std::string& store,
                      std::chrono::steady_clock::duration waited) {
  return PeerError(
      "waited " + duration_text(waited) + " for the key '" + key + "' in " + store +
      ", and no rank has set it: a rank did not start, died before it got there, or uses another "
      "rendezvous. Look at the other ranks' messages.");
}

}  // namespace dml
