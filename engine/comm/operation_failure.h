// What went wrong between ranks, in the words every communicator and store shares.
//
//   rank 1: all_reduce of 51904 f32 failed after 2.0 s (deadline 2 s): rank 0 did not take part: read timeout
#pragma once

#include <chrono>
#include <string>

#include "kernels/base/error.h"
#include "kernels/base/view.h"

namespace dml {

/// A call on a communicator as messages name it. Plain data: it costs nothing until something fails.
struct OperationCall {
  const char* name = "";
  std::int64_t elements = 0;
  DType dtype = DType::f32;
  const char* preposition = nullptr;  ///< "to", "from": set together with `peer`
  int peer = -1;
  int from = -1;  ///< of an exchange, which goes to `peer`

  /// "all_reduce of 51904 f32", "send of 7 i64 to rank 2", "exchange of 7 f32 to rank 2 and from rank 0",
  /// "barrier".
  [[nodiscard]] std::string text() const;
};

/// "2.0 s", "35 ms".
std::string duration_text(std::chrono::steady_clock::duration duration);

/// The error for a call that failed after `elapsed`; `cause` says who did what.
PeerError operation_failure(int rank, const OperationCall& call, std::chrono::steady_clock::duration elapsed,
                            std::chrono::milliseconds deadline, const std::string& cause);

/// The error of every later call.
PeerError unusable_communicator(int rank, const OperationCall& call, const std::string& first_failure);

/// The error of Store::get().
PeerError missing_key(const std::string& key, const std::string& store,
                      std::chrono::steady_clock::duration waited);

}  // namespace dml
