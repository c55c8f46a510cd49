// How the CPU backend divides loops over threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <omp.h>

namespace dml::cpu {

/// Sets the OpenMP team size of the calling thread for a scope; oneDNN and our loops both read it.
class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) {
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

/// Calls work(i) for i in [0, items), statically divided; alone where a team would cost more than it saves.
template <class Work>
void parallel_items(std::int64_t items, bool worth_a_team, const Work& work) {
  if (!worth_a_team || items < 2 || omp_get_max_threads() == 1) {
    for (std::int64_t i = 0; i < items; ++i) work(i);
    return;
  }
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < items; ++i) work(i);
}

/// Calls work(first, count) over [0, elements) in chunks.
template <class Work>
void parallel_chunks(std::int64_t elements, const Work& work) {
  constexpr std::int64_t kChunk = kWorthATeam;
  const std::int64_t chunks = (elements + kChunk - 1) / kChunk;
  parallel_items(chunks, chunks > 1, [&](std::int64_t chunk) {
    work(chunk * kChunk, std::min(kChunk, elements - chunk * kChunk));
  });
}

}  // namespace dml::cpu
