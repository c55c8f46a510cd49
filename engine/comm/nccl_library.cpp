#include "engine/comm/nccl_library.h"

#include "kernels/base/error.h"
#include "kernels/base/shared_library.h"

namespace dml {
namespace {

constexpr int kOldestVersion = 21400;  // the first with ncclCommInitRankConfig and ncclCommFinalize

/// 22809: "2.28.9". Up to 2.8 the number had one digit less: 2708 was 2.7.8.
std::string text_of(int version) {
  const int major = version < 10000 ? version / 1000 : version / 10000;
  const int rest = version < 10000 ? version % 1000 : version % 10000;
  return std::to_string(major) + "." + std::to_string(rest / 100) + "." + std::to_string(rest % 100);
}

}  // namespace

std::string NcclLibrary::version_text() const {
  return text_of(version);
}

std::shared_ptr<const NcclLibrary> load_nccl(const std::string& path) {
  const std::string installation =
      "Install it with `pip install nvidia-nccl-cu13` (or -cu12, as the driver has it) or as the package "
      "libnccl2, or set DML_NCCL_LIBRARY to a libnccl.so.2. Without it, --communicator staged sends values "
      "through the host.";
  const SharedLibrary library = SharedLibrary::open({.title = "NCCL",
                                                     .file = "libnccl.so.2",
                                                     .path = path,
                                                     .variable = "DML_NCCL_LIBRARY",
                                                     .wheel_folders = {"nvidia/nccl/lib"},
                                                     .installation = installation});
  auto table = std::make_shared<NcclLibrary>();
  table->path = library.path();
  if (library.get<nccl::GetVersion>("ncclGetVersion")(&table->version) != nccl::Result::success) {
    throw UnavailableError("NCCL: " + table->path + " does not say which version it is. " + installation);
  }
  if (table->version < kOldestVersion || table->version >= 30000) {
    throw UnavailableError("NCCL: " + table->path + " is version " + table->version_text() +
                           ", and this program needs 2.14 or a later 2. " + installation);
  }
  table->get_unique_id = library.get<nccl::GetUniqueId>("ncclGetUniqueId");
  table->comm_init_rank_config = library.get<nccl::CommInitRankConfig>("ncclCommInitRankConfig");
  table->comm_finalize = library.get<nccl::CommFinalize>("ncclCommFinalize");
  table->comm_destroy = library.get<nccl::CommDestroy>("ncclCommDestroy");
  table->comm_get_async_error = library.get<nccl::CommGetAsyncError>("ncclCommGetAsyncError");
  table->get_error_string = library.get<nccl::GetErrorString>("ncclGetErrorString");
  table->get_last_error = library.get<nccl::GetLastError>("ncclGetLastError");
  table->group_start = library.get<nccl::GroupStart>("ncclGroupStart");
  table->group_end = library.get<nccl::GroupEnd>("ncclGroupEnd");
  table->all_reduce = library.get<nccl::AllReduce>("ncclAllReduce");
  table->all_gather = library.get<nccl::AllGather>("ncclAllGather");
  table->broadcast = library.get<nccl::Broadcast>("ncclBroadcast");
  table->send = library.get<nccl::Send>("ncclSend");
  table->recv = library.get<nccl::Recv>("ncclRecv");
  return table;
}

}  // namespace dml
