// What a test may ask of the library that stands in for NCCL, besides NCCL's own functions.
#pragma once

#include "engine/comm/nccl_types.h"

namespace dml::test {

/// Found by name in the library: dlsym("fake_nccl").
struct FakeNccl {
  int version = 22809;                                  ///< ncclGetVersion()
  nccl::Result unique_id = nccl::Result::success;       ///< ncclGetUniqueId()
  nccl::Result initialisation = nccl::Result::success;  ///< ncclCommInitRankConfig(), on rank 0
  nccl::Result operation = nccl::Result::success;       ///< every later operation, at once
  nccl::Result reported = nccl::Result::success;        ///< ncclCommGetAsyncError(), out of the blue
  /// Lets every operation finish that waits for a rank, with whatever it has: streams can end then.
  void (*let_go)() = nullptr;
  int (*living_communicators)() = nullptr;
};

}  // namespace dml::test
