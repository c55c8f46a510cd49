// What a test may ask of the library that stands in for NCCL, besides NCCL's own functions.
#pragma once

#include <atomic>
#include <string>

#include "engine/comm/nccl_types.h"
#include "kernels/base/shared_library.h"

namespace dml::test {

/// Found by name in the library. Ranks are threads, so each of these is atomic.
struct FakeNccl {
  std::atomic<int> version{22809};                             ///< ncclGetVersion()
  std::atomic<nccl::Result> unique_id{nccl::Result::success};  ///< ncclGetUniqueId()
  std::atomic<nccl::Result> operation{nccl::Result::success};  ///< every later operation, at once
  std::atomic<nccl::Result> reported{nccl::Result::success};   ///< ncclCommGetAsyncError(), out of the blue
  std::atomic<int> exchanges{0};  ///< groups of sends and receives that were enqueued
  /// Lets every operation finish that waits for a rank, with whatever it has: streams can end then.
  void (*let_go)() = nullptr;
  int (*living_communicators)() = nullptr;
};

/// Of the library at `path`.
inline FakeNccl& open_fake_nccl(const std::string& path) {
  return *SharedLibrary::open({.title = "the stand-in for NCCL",
                               .file = "libfake_nccl.so",
                               .path = path,
                               .wheel_folders = {},
                               .installation = "build it"})
              .get<FakeNccl>("fake_nccl");
}

}  // namespace dml::test
