// How the CPU backend divides loops over threads.
//
// OpenMP, as oneDNN uses it: one pool of threads serves both. ThreadSanitizer cannot see how libgomp
// synchronises its teams and would report every loop, so builds with it run our loops on threads of their
// own, which it checks in full, and oneDNN on one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <omp.h>

#if defined(__SANITIZE_THREAD__)
#define DML_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define DML_THREAD_SANITIZER 1
#endif
#endif

#ifdef DML_THREAD_SANITIZER
#include <thread>
#include <vector>
#endif

namespace dml::cpu {

#ifdef DML_THREAD_SANITIZER
inline thread_local int team_size = 1;
#endif

/// Sets the OpenMP team size of the calling thread for a scope; oneDNN and our loops both read it.
class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) {
#ifdef DML_THREAD_SANITIZER
    team_size = threads;
    threads = 1;
#endif
    if (threads != before_) omp_set_num_threads(threads);
  }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;
  ~ThreadScope() {
    if (omp_get_max_threads() != before_) omp_set_num_threads(before_);
  }

 private:
  int before_;
};

/// Elements from which on a pass over memory is worth a team.
constexpr std::int64_t kWorthATeam = 16384;

/// Calls work(i, worker) for i in [0, items), statically divided over workers 0 .. team size - 1; alone, as
/// worker 0, where a team would cost more than it saves.
template <class Work>
void parallel_items(std::int64_t items, bool worth_a_team, const Work& work) {
#ifdef DML_THREAD_SANITIZER
  const std::int64_t team = worth_a_team ? std::min<std::int64_t>(items, team_size) : 1;
  std::vector<std::jthread> threads;
  for (std::int64_t worker = 1; worker < team; ++worker) {
    threads.emplace_back([&, worker] {
      for (std::int64_t i = items * worker / team; i < items * (worker + 1) / team; ++i) {
        work(i, static_cast<int>(worker));
      }
    });
  }
  for (std::int64_t i = 0; i < items / std::max<std::int64_t>(team, 1); ++i) work(i, 0);
#else
  if (!worth_a_team || items < 2 || omp_get_max_threads() == 1) {
    for (std::int64_t i = 0; i < items; ++i) work(i, 0);
    return;
  }
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < items; ++i) work(i, omp_get_thread_num());
#endif
}

/// Calls work(first, count) over [0, elements) in chunks.
template <class Work>
void parallel_chunks(std::int64_t elements, const Work& work) {
  constexpr std::int64_t kChunk = kWorthATeam;
  const std::int64_t chunks = (elements + kChunk - 1) / kChunk;
  parallel_items(chunks, chunks > 1, [&](std::int64_t chunk, int /*worker*/) {
    work(chunk * kChunk, std::min(kChunk, elements - chunk * kChunk));
  });
}

}  // namespace dml::cpu
