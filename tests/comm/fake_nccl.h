// What a test may ask of the library that stands in for NCCL, besides NCCL's own functions.
#pragma once

#include <atomic>

#include "engine/comm/nccl_types.h"

namespace dml::test {

/// Found by name in the library: dlsym("fake_nccl"). Ranks are threads, so each of these is atomic.
struct FakeNccl {
  std::atomic<int> version{22809};                             ///< ncclGetVersion()
  std::atomic<nccl::Result> unique_id{nccl::Result::success};  ///< ncclGetUniqueId()
  std::atomic<nccl::Result> operation{nccl::Result::success};  ///< every later operation, at once
  std::atomic<nccl::Result> reported{nccl::Result::success};   ///< ncclCommGetAsyncError(), out of the blue
  /// Lets every operation finish that waits for a rank, with whatever it has: streams can end then.
  void (*let_go)() = nullptr;
  int (*living_communicators)() = nullptr;
};

}  // namespace dml::test
