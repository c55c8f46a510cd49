#include "engine/train/device_communicator.h"

#include <array>
#include <cstdlib>
#include <set>
#include <unistd.h>
#include <utility>
#include <vector>

#include "engine/comm/nccl_communicator.h"
#include "engine/comm/staged_communicator.h"
#include "engine/train/agreement.h"
#include "engine/train/backends.h"
#include "engine/train/cuda_link.h"
#include "kernels/base/error.h"

namespace dml {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// Every rank's facts, on every rank.
std::vector<TransportFacts> exchange(Communicator& host, const TransportFacts& mine) {
  HostStream stream;
  const std::vector<std::string> gpus = gather_texts(host, stream, mine.gpu);
  const std::vector<std::string> problems = gather_texts(host, stream, mine.problem);
  std::vector<TransportFacts> facts;
  for (std::size_t rank = 0; rank < gpus.size(); ++rank) facts.push_back({gpus[rank], problems[rank]});
  return facts;
}

/// NCCL refuses two ranks of one host on one GPU. It is told that they are on different hosts, which it then
/// connects by sockets. Variables that the user has set are kept.
void let_nccl_share_a_gpu(int rank) {
  const std::string host = host_name() + "-rank" + std::to_string(rank);
  setenv("NCCL_HOSTID", host.c_str(), 0);
  setenv("NCCL_NET", "Socket", 0);
  setenv("NCCL_SOCKET_IFNAME", "lo", 0);
  setenv("NCCL_IB_DISABLE", "1", 0);
  setenv("NCCL_MNNVL_ENABLE", "0", 0);
  setenv("NCCL_RAS_ENABLE", "0", 0);
}

}  // namespace

TransportChoice choose_transport(DeviceTransport wanted, std::span<const TransportFacts> ranks) {
  TransportChoice choice;
  std::set<std::string> gpus;
  for (const TransportFacts& rank : ranks) choice.shares_gpus |= !gpus.insert(rank.gpu).second;
  if (wanted == DeviceTransport::staged) return choice;

  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    if (ranks[rank].problem.empty()) continue;
    if (wanted == DeviceTransport::nccl) {
      throw UnavailableError("--communicator nccl: rank " + std::to_string(rank) +
                             " cannot use it: " + ranks[rank].problem);
    }
    choice.reason = "rank " + std::to_string(rank) + " cannot use NCCL: " + ranks[rank].problem;
    return choice;
  }
  if (wanted == DeviceTransport::automatic && choice.shares_gpus) {
    choice.reason = "ranks share a GPU, which NCCL is not made for";
    return choice;
  }
  choice.transport = DeviceTransport::nccl;
  return choice;
}

DeviceCommunicator make_device_communicator(const RunConfig& config, int local_rank, Communicator& host,
                                            Backend& backend,
                                            std::function<void(const PeerError&)> on_failure) {
  DeviceCommunicator result;
  if (backend.memory() == Memory::host || host.size() == 1) return result;

  std::shared_ptr<const NcclLibrary> nccl;
  const bool on_gpus = config.device == Device::cuda;
  if (on_gpus && config.transport != DeviceTransport::staged) {
    TransportFacts mine;
    result.link = make_cuda_link(gpu_of(config, local_rank));
    mine.gpu = host_name() + " " + result.link->place();
    try {
      nccl = load_nccl();
    } catch (const UnavailableError& error) {
      mine.problem = error.what();
    }
    result.choice = choose_transport(config.transport, exchange(host, mine));
  }
  if (result.choice.transport == DeviceTransport::nccl) {
    if (result.choice.shares_gpus) let_nccl_share_a_gpu(host.rank());
    result.communicator = make_nccl_communicator(std::move(nccl), host, backend, *result.link,
                                                 {.deadline = config.deadline,
                                                  .shared_device = result.choice.shares_gpus,
                                                  .on_failure = std::move(on_failure)});
  } else {
    result.communicator = make_staged_communicator(host, backend);
  }
  return result;
}

}  // namespace dml
