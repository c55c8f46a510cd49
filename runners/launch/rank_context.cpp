#include "runners/launch/rank_context.h"

#include <array>
#include <cstdio>
#include <unistd.h>

#include "kernels/base/error.h"
#include "runners/launch/rank_status.h"

namespace dml {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace

RankContext make_rank_context(const Contract& contract, const std::string& rendezvous) {
  RankContext context;
  context.rank = contract.rank;
  context.world_size = contract.world_size;
  context.local_rank = contract.local_rank;
  context.local_world_size = contract.local_world_size;
  context.host = host_name();
  if (contract.source == Contract::Source::supervisor) {
    context.progress = ProgressPage::open(contract.directory, contract.world_size);
  }
  if (contract.world_size == 1) return context;

  if (!rendezvous.empty()) {
    context.rendezvous_address = rendezvous;
  } else if (contract.source == Contract::Source::launcher) {
    context.rendezvous_address = contract.rendezvous_address();
    if (context.rendezvous_address.empty()) {
      throw UsageError(
          "WORLD_SIZE=" + std::to_string(contract.world_size) +
          " but MASTER_ADDR and MASTER_PORT are not set, so the ranks have nowhere to meet. Set them, or "
          "pass --rendezvous host:port with an address of rank 0's host.");
    }
  }
  context.rendezvous_directory = contract.directory;
  return context;
}

void report_progress(const RankContext& context, std::int64_t step) {
  if (context.progress) context.progress->slot(context.rank).step.store(step, std::memory_order_relaxed);
}

bool report_failure(const RankContext& context, const std::exception& error, ExitCode code,
                    const std::string& message) {
  if (!context.progress) return false;
  RankFailure failure;
  failure.code = code;
  failure.message = message;
  failure.lost_peer = dynamic_cast<const PeerError*>(&error) != nullptr;
  write_rank_failure(context.rendezvous_directory, context.rank, failure);
  return true;
}

void end_process(const RankContext& context, const Error& error) {
  if (!report_failure(context, error, error.code(), error.what())) {
    std::fprintf(stderr, "dml_engine: error: rank %d: %s\n", context.rank, error.what());
  }
  ::_exit(static_cast<int>(error.code()));
}

}  // namespace dml
