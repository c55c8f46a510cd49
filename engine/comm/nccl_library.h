// NCCL as a table of functions, loaded when the first communicator needs it.
#pragma once

#include <memory>
#include <string>

#include "engine/comm/nccl_types.h"

namespace dml {

/// A version that this program can use, and its functions.
struct NcclLibrary {
  std::string path;  ///< where it lies
  int version = 0;   ///< 22809: 2.28.9

  nccl::GetUniqueId* get_unique_id = nullptr;
  nccl::CommInitRankConfig* comm_init_rank_config = nullptr;
  nccl::CommFinalize* comm_finalize = nullptr;
  nccl::CommDestroy* comm_destroy = nullptr;
  nccl::CommGetAsyncError* comm_get_async_error = nullptr;
  nccl::GetErrorString* get_error_string = nullptr;
  nccl::GetLastError* get_last_error = nullptr;
  nccl::GroupStart* group_start = nullptr;
  nccl::GroupEnd* group_end = nullptr;
  nccl::AllReduce* all_reduce = nullptr;
  nccl::AllGather* all_gather = nullptr;
  nccl::Broadcast* broadcast = nullptr;
  nccl::Send* send = nullptr;
  nccl::Recv* recv = nullptr;

  /// "2.28.9"
  [[nodiscard]] std::string version_text() const;
};

/// Looks for libnccl.so.2 (kernels/base/shared_library.h; the environment variable is DML_NCCL_LIBRARY), or
/// takes `path`. Needs no GPU. Throws UnavailableError: not found, another major version than 2, older than
/// 2.14, a function missing.
std::shared_ptr<const NcclLibrary> load_nccl(const std::string& path = "");

}  // namespace dml
