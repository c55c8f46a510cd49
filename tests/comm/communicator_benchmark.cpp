// How long the operations of the Gloo communicator take between processes: median, p10 and p90 per operation
// and size, as the slowest rank sees them.
//
//   communicator_benchmark [--ranks 2] [--compute-ms 0] [--imbalance-ms 0] [--repeats 300] [--pin 0]
//
// --compute-ms keeps every core busy between operations, as training does; what is measured then includes
// what the scheduler makes of it. --imbalance-ms makes the compute time of each rank and step vary by up to
// that much. The ranks are separate processes with one thread each, on whatever cores the kernel gives them,
// or with --pin 1 each on a core of its own.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <sched.h>
#include <string>
#include <thread>

#include "tests/comm/ranks.h"

namespace {

using dml::HostStream;
using Clock = std::chrono::steady_clock;

struct Settings {
  int ranks = 2;
  double compute_ms = 0;
  double imbalance_ms = 0;
  int repeats = 300;
  bool pin = false;
};

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void bind_to_core(int rank) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<unsigned>(rank) % std::thread::hardware_concurrency(), &cores);
  if (sched_setaffinity(0, sizeof cores, &cores) != 0) std::perror("sched_setaffinity");
}

/// Arithmetic for `ms` of this process' own time on a core, so that a rank that loses its core does not do
/// less.
void compute(double ms) {
  const auto processor_ms = [] {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
  };
  const double end = processor_ms() + ms;
  volatile double value = 1;
  while (processor_ms() < end) {
    for (int i = 0; i < 200; ++i) value = value * 1.0000001;
  }
}

/// Runs `operation` repeatedly on every rank; rank 0 prints one line. `operation` returns its own duration in
/// ms.
template <class Operation>
void measure(dml::Communicator& communicator, const Settings& settings, const char* name, std::size_t bytes,
             Operation operation) {
  HostStream stream;
  std::mt19937 random(static_cast<unsigned>(communicator.rank()));
  std::uniform_real_distribution<double> imbalance(-1, 1);
  const auto count = static_cast<std::size_t>(settings.repeats);
  std::vector<double> times(count);
  const int warm_up = 20;
  for (int i = -warm_up; i < settings.repeats; ++i) {
    if (settings.compute_ms > 0) compute(settings.compute_ms + settings.imbalance_ms * imbalance(random));
    const double ms = operation();
    if (i >= 0) times[static_cast<std::size_t>(i)] = ms;
  }
  std::vector<double> all(count * static_cast<std::size_t>(communicator.size()));
  communicator.all_gather(dml::view_of(std::span(times)), dml::view_of(std::span(all)), stream);
  if (communicator.rank() != 0) return;
  std::vector<double> slowest(count, 0.0);
  for (std::size_t i = 0; i < all.size(); ++i) slowest[i % count] = std::max(slowest[i % count], all[i]);
  std::sort(slowest.begin(), slowest.end());
  const auto percentile = [&](int p) { return slowest[(count - 1) * static_cast<std::size_t>(p) / 100]; };
  std::printf("%-14s %10zu bytes   median %8.3f   p10 %8.3f   p90 %8.3f ms\n", name, bytes, percentile(50),
              percentile(10), percentile(90));
}

void run_rank(dml::Communicator& communicator, const Settings& settings) {
  HostStream stream;
  const int ranks = communicator.size();
  const int next = (communicator.rank() + 1) % ranks;
  const int previous = (communicator.rank() + ranks - 1) % ranks;
  const auto timed = [](auto&& operation) {
    const auto start = Clock::now();
    operation();
    return milliseconds_since(start);
  };
  measure(communicator, settings, "barrier", 0, [&] { return timed([&] { communicator.barrier(stream); }); });
  for (const std::size_t elements : {1UL, 1024UL, 8192UL, 51904UL, 262144UL, 1048576UL}) {
    std::vector<float> values(elements, 0.5F);
    std::vector<float> gathered(elements * static_cast<std::size_t>(ranks));
    const dml::View view = dml::view_of(std::span(values));
    measure(communicator, settings, "all_reduce", view.bytes(), [&] {
      std::fill(values.begin(), values.end(), 0.5F);
      return timed([&] { communicator.all_reduce(view, stream); });
    });
    measure(communicator, settings, "all_gather", view.bytes(), [&] {
      return timed([&] { communicator.all_gather(view, dml::view_of(std::span(gathered)), stream); });
    });
    measure(communicator, settings, "broadcast", view.bytes(),
            [&] { return timed([&] { communicator.broadcast(view, 0, stream); }); });
    measure(communicator, settings, "ring send+recv", view.bytes(), [&] {
      return timed([&] {
        communicator.send(view, next, stream);
        communicator.recv(view, previous, stream);
      });
    });
    // Half a round trip between ranks 0 and 1: what a pipeline stage adds to the one before it.
    measure(communicator, settings, "ping-pong / 2", view.bytes(), [&] {
      if (communicator.rank() > 1) return 0.0;
      return timed([&] {
               if (communicator.rank() == 0) communicator.send(view, 1, stream);
               communicator.recv(view, 1 - communicator.rank(), stream);
               if (communicator.rank() == 1) communicator.send(view, 0, stream);
             }) /
             2;
    });
  }
}

}  // namespace

int main(int count, char** arguments) {
  Settings settings;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string flag = arguments[i];
    const double value = std::atof(arguments[i + 1]);
    if (flag == "--ranks") settings.ranks = static_cast<int>(value);
    if (flag == "--compute-ms") settings.compute_ms = value;
    if (flag == "--imbalance-ms") settings.imbalance_ms = value;
    if (flag == "--repeats") settings.repeats = static_cast<int>(value);
    if (flag == "--pin") settings.pin = value != 0;
  }
  std::printf("%d ranks, %.2f ms (+- %.2f) of computing between operations, %d repeats%s\n", settings.ranks,
              settings.compute_ms, settings.imbalance_ms, settings.repeats, settings.pin ? ", pinned" : "");
  std::fflush(stdout);
  const auto results =
      dml::test::run_ranks_as_processes(settings.ranks, [&](std::unique_ptr<dml::Communicator> communicator) {
        if (settings.pin) bind_to_core(communicator->rank());
        run_rank(*communicator, settings);
        std::fflush(stdout);
      });
  for (const auto& result : results) {
    if (!result.error.empty()) std::fprintf(stderr, "%s\n", result.error.c_str());
    if (result.exit_status != 0) return 1;
  }
  return 0;
}
