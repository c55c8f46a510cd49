// Looks at every access of every emulated thread, as compute-sanitizer does on a GPU.
//
//   memory     an access outside of device memory, in its red zones, or to another thread's stack
//   values     a read of shared or device memory that nothing has written
//   races      two accesses to the same bytes, one of them a write, that nothing orders, in a block or
//              between blocks, whether these ran at the same time or one after the other
//   streams    the same of launches and copies on different streams, by words of 4 bytes: what orders them is
//              an event between the streams, or a host that waited for the one before it enqueued the other
//
// Order is tracked exactly, by vector clocks over (block, thread): barriers and __syncwarp join the clocks of
// those who meet; a fence before an atomic write and one after an atomic read of the same address carry a
// clock across. Shuffles, votes and atomics by themselves order nothing. Of the reads since the last write a
// 4-byte word keeps four, so a write may be missed that races only with reads no longer kept; running in
// several orders covers that.
//
// Kernels report their accesses when they are compiled with -fsanitize=thread and linked with tsan_hooks.cpp
// instead of that sanitizer's library: the CMake target dml_emulator_checked. Not seen: memcpy, accesses far
// outside of all device memory, and what a library does by itself on the device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/emulator/machine.h"

namespace dml::emulator {

/// Checks all launches on devices that are made from now on.
void check_all_launches();

/// An access of the running thread; called by the hooks.
void check_access(const void* address, std::size_t bytes, bool writes);

class Checker final : public Observer {
 public:
  void launch_begins(const Grid& grid) override;
  void launch_ends() override;
  void threads_meet(const std::vector<Thread*>& members) override;
  void shared_memory_begins(const Block& block, const SharedVariable& variable) override;
  void shared_memory_ends(const SharedVariable& variable) override;
  void accessed(const void* address, std::size_t bytes, bool writes) override {
    access(static_cast<const std::byte*>(address), bytes, writes, false);
  }
  void fence(bool gpu_scope) override;
  void atomic(const void* address, bool reads, bool writes) override;
  void acquire(const void* address) override;
  void release(const void* address) override;
  void operation_begins(std::size_t stream, const StreamClock& after) override;
  void memory_begins(const std::byte* data, std::size_t bytes, const std::string& purpose) override;
  void memory_ends(const std::byte* data) override;
  void memory_read(const std::byte* data, std::size_t bytes) override;
  void memory_written(const std::byte* data, std::size_t bytes) override;

  void access(const std::byte* address, std::size_t bytes, bool writes, bool is_atomic);

 private:
  /// What the threads of one block had done: a count for each.
  using BlockClock = std::vector<std::uint32_t>;
  /// What a thread knows to have happened, by block.
  struct Clock {
    std::map<std::size_t, std::shared_ptr<const BlockClock>> blocks;
  };
  struct FencePoint {
    std::shared_ptr<const Clock> clock;
    std::size_t block = 0;
    std::uint64_t number = 0;
    bool gpu_scope = false;
  };
  using Points = std::map<std::pair<std::size_t, unsigned>, FencePoint>;  // by (block, thread)
  struct ThreadState {
    std::uint32_t now = 1;
    std::shared_ptr<const Clock> seen;
    FencePoint fence;  ///< the last one; none without a clock
    Points read;       ///< found by atomic reads, to be joined at the next fence
  };
  /// One access, by whom and when.
  struct Access {
    std::uint32_t block = 0, clock = 0;
    std::uint16_t thread = 0;
    std::uint8_t mask = 0;  ///< of the bytes of the word; 0: none
    bool is_atomic = false;
  };
  struct Word {
    std::uint32_t launch = 0;
    std::uint8_t next_read = 0;
    Access writes[4];  ///< by the lowest byte that they wrote
    Access reads[4];
  };
  /// An operation of a stream; number 0: none.
  struct Turn {
    std::uint32_t stream = 0, number = 0;
    bool operator==(const Turn& other) const = default;
  };
  /// Which operations have touched a word: the last that wrote it, and since then two that read it.
  struct Turns {
    Turn write, reads[2];
  };
  struct Region {
    const std::byte* data = nullptr;
    std::size_t bytes = 0;
    std::string name;
    std::vector<std::uint8_t> written;  ///< of each byte
    std::vector<Word> words;            ///< of each 4 bytes, made at the first access
    std::vector<Turns> turns;           ///< likewise, of device memory
    bool is_shared = false;
    [[nodiscard]] std::size_t word_count() const { return (bytes + 3) / 4; }
  };

  ThreadState& state_of(const Thread& thread);
  [[nodiscard]] bool happened_before(const Access& access, const ThreadState& mine) const;
  [[nodiscard]] Region* region_of(const std::byte* address);
  std::shared_ptr<const Clock> clock_with_own_time(const Thread& thread, const ThreadState& state) const;
  static std::shared_ptr<const Clock> join(const std::shared_ptr<const Clock>& a,
                                           const std::shared_ptr<const Clock>& b);
  void join_points(ThreadState& state, const Points& points, bool gpu_scope);
  [[nodiscard]] bool comes_after(Turn other) const;
  void check_turn(Region& region, std::size_t word, bool writes);
  void check_turns(const std::byte* data, std::size_t bytes, bool writes);
  [[noreturn]] void report_turn(const Region& region, std::size_t word, Turn other, bool other_writes,
                                bool writes) const;
  void check_word(Region& region, std::size_t word, std::uint8_t mask, bool writes, bool is_atomic);
  [[noreturn]] void report_race(const Region& region, std::size_t word, const Access& other,
                                bool other_writes, bool writes) const;

  std::map<const std::byte*, Region> regions_;  ///< by their first byte
  std::array<Region*, 4> recent_regions_{};     ///< kernels go to and fro between a few arrays
  std::size_t next_recent_ = 0;
  std::uint32_t launch_ = 0;
  Turn turn_;          ///< the operation that runs
  StreamClock after_;  ///< what orders it
  std::uint64_t fences_ = 0;
  std::size_t block_threads_ = 0;
  dim3 grid_, block_;
  std::unordered_map<std::size_t, std::vector<ThreadState>> threads_;  // by block
  std::size_t recent_block_ = 0;
  std::vector<ThreadState>* recent_threads_ = nullptr;  ///< of that block
  std::unordered_map<const void*, Points> published_;   // by address of an atomic
};

}  // namespace dml::emulator
