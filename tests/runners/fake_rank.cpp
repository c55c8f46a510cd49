// A rank that does nothing but behave, well or badly, as its first argument says: BEHAVIOUR[@RANK] (all ranks
// without
// @RANK; the others then wait for a second at most, as ranks with a deadline do).
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <unistd.h>

#include "kernels/base/error.h"
#include "runners/cli/environment.h"
#include "runners/launch/rank_context.h"
#include "runners/launch/rank_status.h"
#include "runners/launch/stop_request.h"

namespace dml {
namespace {

using std::chrono::milliseconds;

int fail(const RankContext& context, const Error& error) {
  report_failure(context, error, error.code(), error.what());
  return static_cast<int>(error.code());
}

/// Waits like a rank in a collective: until `patience` is over or it is asked to stop.
int wait_for_peers(const RankContext& context, milliseconds patience) {
  const StopRequest stop;
  const auto end = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < end) {
    if (stop.requested()) return stop.exit_code();
    std::this_thread::sleep_for(milliseconds(5));
  }
  return fail(context, PeerError("timed out waiting for a peer"));
}

int behave(const std::string& behaviour, const RankContext& context) {
  if (behaviour != "join") report_progress(context, 7);
  if (behaviour == "succeed") return 0;
  if (behaviour == "speak") {
    std::printf("result of rank %d\n", context.rank);
    std::fflush(stdout);
    std::fprintf(stderr, "warning from rank %d\n%s", context.rank, context.rank == 0 ? "" : "unfinished");
    return 0;
  }
  if (behaviour == "die") return raise(SIGKILL);
  if (behaviour == "crash") {
    signal(SIGSEGV, SIG_DFL);
    return raise(SIGSEGV);
  }
  if (behaviour == "bad-data") return fail(context, DataError("the labels lie"));
  if (behaviour == "silent") return 3;
  if (behaviour == "stall") {
    raise(SIGSTOP);
    return 0;
  }
  if (behaviour == "lag") {  // rank 1 is suspended when the others have finished
    if (context.rank == 1) raise(SIGSTOP);
    return 0;
  }
  if (behaviour == "checkpoint") {
    return wait_for_peers(context, milliseconds(20000)) > 128 ? static_cast<int>(ExitCode::stopped) : 70;
  }
  if (behaviour == "ignore") {
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    std::this_thread::sleep_for(milliseconds(20000));
    return 0;
  }
  if (behaviour == "wait") return wait_for_peers(context, milliseconds(20000));
  if (behaviour == "join") {  // the others wait for rank 0 and hear nothing; it is not yet listening
    if (context.rank != 0) signal(SIGTERM, SIG_IGN);
    std::this_thread::sleep_for(milliseconds(20000));
    return 0;
  }
  return 64;
}

}  // namespace
}  // namespace dml

int main(int argc, char** argv) {
  using namespace dml;
  const Environment environment = read_environment(argv[0]);
  const RankContext context = make_rank_context(read_contract(environment.variables), "");
  const std::string word = argc > 1 ? argv[1] : "";
  const std::size_t at = word.find('@');
  if (at != std::string::npos && std::to_string(context.rank) != word.substr(at + 1)) {
    return wait_for_peers(context, milliseconds(1000));
  }
  // The rank that misbehaves does so when the others are there.
  std::this_thread::sleep_for(milliseconds(50));
  return behave(word.substr(0, at), context);
}
