#include "kernels/emulator/checker.h"

#include <algorithm>
#include <cstdio>

namespace dml::emulator {
namespace {

constexpr std::size_t kWordBytes = 4;
constexpr std::size_t kRedZoneReach = 1024;  // beyond a region: its red zone

std::string hexadecimal(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}

const char* verb(bool writes) {
  return writes ? "writes" : "reads";
}

}  // namespace

void check_all_launches() {
  set_observer_factory([]() -> std::unique_ptr<Observer> { return std::make_unique<Checker>(); });
}

void check_access(const void* address, std::size_t bytes, bool writes) {
  if (current_thread == nullptr || current_thread->in_machine > 0 || current_grid->observer == nullptr)
    return;
  static_cast<Checker*>(current_grid->observer)
      ->access(static_cast<const std::byte*>(address), bytes, writes, false);
}

// ---- what orders accesses

void Checker::launch_begins(const Grid& grid) {
  ++launch_;
  block_threads_ = grid.threads_per_block();
  grid_ = grid.dim;
  block_ = grid.block;
  threads_.clear();
  recent_threads_ = nullptr;
  published_.clear();
}

void Checker::launch_ends() {
  std::erase_if(regions_, [](const auto& entry) { return entry.second.is_shared; });
  recent_regions_ = {};
}

Checker::ThreadState& Checker::state_of(const Thread& thread) {
  const std::size_t block = thread.block->linear;
  if (recent_threads_ == nullptr || recent_block_ != block) {
    recent_block_ = block;
    recent_threads_ = &threads_[block];
    recent_threads_->resize(block_threads_);
  }
  return (*recent_threads_)[thread.linear];
}

bool Checker::happened_before(const Access& access, const ThreadState& mine) const {
  if (!mine.seen) return false;
  const auto found = mine.seen->blocks.find(access.block);
  return found != mine.seen->blocks.end() && (*found->second)[access.thread] >= access.clock;
}

std::shared_ptr<const Checker::Clock> Checker::clock_with_own_time(const Thread& thread,
                                                                   const ThreadState& state) const {
  auto clock = state.seen ? std::make_shared<Clock>(*state.seen) : std::make_shared<Clock>();
  std::shared_ptr<const BlockClock>& own = clock->blocks[thread.block->linear];
  auto times = own ? std::make_shared<BlockClock>(*own) : std::make_shared<BlockClock>(block_threads_);
  (*times)[thread.linear] = state.now;
  own = times;
  return clock;
}

std::shared_ptr<const Checker::Clock> Checker::join(const std::shared_ptr<const Clock>& a,
                                                    const std::shared_ptr<const Clock>& b) {
  if (!a || a == b) return b;
  if (!b) return a;
  auto joined = std::make_shared<Clock>(*a);
  for (const auto& [block, theirs] : b->blocks) {
    std::shared_ptr<const BlockClock>& ours = joined->blocks[block];
    if (!ours || ours == theirs) {
      ours = theirs;
      continue;
    }
    auto latest = std::make_shared<BlockClock>(*ours);
    for (std::size_t i = 0; i < latest->size(); ++i) (*latest)[i] = std::max((*latest)[i], (*theirs)[i]);
    ours = latest;
  }
  return joined;
}

/// All of them are of one block. Most have seen the same: those clocks are joined once.
void Checker::threads_meet(const std::vector<Thread*>& members) {
  std::shared_ptr<const Clock> seen;
  for (const Thread* const member : members) seen = join(seen, state_of(*member).seen);
  auto together = seen ? std::make_shared<Clock>(*seen) : std::make_shared<Clock>();
  std::shared_ptr<const BlockClock>& own = together->blocks[members.front()->block->linear];
  auto times = own ? std::make_shared<BlockClock>(*own) : std::make_shared<BlockClock>(block_threads_);
  for (const Thread* const member : members) (*times)[member->linear] = state_of(*member).now++;
  own = times;
  for (const Thread* const member : members) state_of(*member).seen = together;
}

void Checker::join_points(ThreadState& state, const Points& points, bool gpu_scope) {
  const std::size_t block = current_thread->block->linear;
  for (const auto& [thread, point] : points) {
    const bool visible = (point.gpu_scope && gpu_scope) || point.block == block;
    if (visible) state.seen = join(state.seen, point.clock);
  }
}

void Checker::fence(bool gpu_scope) {
  ThreadState& state = state_of(*current_thread);
  join_points(state, state.read, gpu_scope);
  state.read.clear();
  state.fence = {clock_with_own_time(*current_thread, state), current_thread->block->linear, ++fences_,
                 gpu_scope};
  ++state.now;
}

void Checker::atomic(const void* address, bool reads, bool writes) {
  access(static_cast<const std::byte*>(address), kWordBytes, writes, true);
  ThreadState& state = state_of(*current_thread);
  Points& points = published_[address];
  if (reads) {
    for (const auto& [thread, point] : points) {
      FencePoint& mine = state.read[thread];
      if (mine.number < point.number) mine = point;
    }
  }
  if (writes && state.fence.clock)
    points[{current_thread->block->linear, current_thread->linear}] = state.fence;
}

void Checker::acquire(const void* address) {
  const auto found = published_.find(address);
  if (found != published_.end()) join_points(state_of(*current_thread), found->second, true);
}

void Checker::release(const void* address) {
  fence(true);
  published_[address] = {
      {{current_thread->block->linear, current_thread->linear}, state_of(*current_thread).fence}};
}

// ---- memory

void Checker::memory_begins(const std::byte* data, std::size_t bytes, const std::string& purpose) {
  regions_[data] = {data, bytes, purpose, std::vector<std::uint8_t>(bytes), {}, {}, false};
}

void Checker::memory_ends(const std::byte* data) {
  regions_.erase(data);
  recent_regions_ = {};
}

void Checker::memory_written(const std::byte* data, std::size_t bytes) {
  Region* const region = region_of(data);
  if (region == nullptr) return;
  const auto first = static_cast<std::size_t>(data - region->data);
  std::fill_n(region->written.begin() + static_cast<std::ptrdiff_t>(first),
              std::min(bytes, region->bytes - first), std::uint8_t{1});
  check_turns(data, bytes, true);
}

void Checker::memory_read(const std::byte* data, std::size_t bytes) {
  check_turns(data, bytes, false);
}

void Checker::shared_memory_begins(const Block& block, const SharedVariable& variable) {
  memory_begins(variable.data, variable.bytes, "shared memory of block " + std::to_string(block.linear));
  regions_[variable.data].is_shared = true;
}

void Checker::shared_memory_ends(const SharedVariable& variable) {
  memory_ends(variable.data);
}

/// The region that holds the address, or the one whose red zone does; null when it is none of the device's.
Checker::Region* Checker::region_of(const std::byte* address) {
  for (Region* const recent : recent_regions_) {
    if (recent != nullptr && address >= recent->data && address < recent->data + recent->bytes) return recent;
  }
  auto next = regions_.upper_bound(address);
  if (next != regions_.begin()) {
    Region& before = std::prev(next)->second;
    if (address < before.data + before.bytes) {
      recent_regions_[next_recent_++ % recent_regions_.size()] = &before;
      return &before;
    }
    const bool of_next = next != regions_.end() && address + kRedZoneReach >= next->second.data &&
                         next->second.data - address < address - (before.data + before.bytes);
    if (!of_next && address < before.data + before.bytes + kRedZoneReach) return &before;
  }
  if (next != regions_.end() && address + kRedZoneReach >= next->second.data) return &next->second;
  return nullptr;
}

void Checker::access(const std::byte* address, std::size_t bytes, bool writes, bool is_atomic) {
  const Thread& me = *current_thread;
  if (me.fiber.stack->holds(address)) return;
  Region* const region = region_of(address);
  if (region ==
      nullptr) {  // arguments, constants, the machine itself; or a pointer to another thread's variable
    if (!FiberStack::any_may_hold(address)) return;
    for (const Thread& other : me.block->threads) {
      if (other.fiber.stack && other.fiber.stack->holds(address)) {
        abandon(text(me) + " " + verb(writes) + " the stack of " + text(other));
      }
    }
    return;
  }
  const std::ptrdiff_t offset = address - region->data;
  if (offset < 0 || static_cast<std::size_t>(offset) + bytes > region->bytes) {
    abandon(text(me) + " " + verb(writes) + " " + std::to_string(bytes) + " bytes at offset " +
            std::to_string(offset) + " of " + region->name + ", which has " + std::to_string(region->bytes) +
            " bytes (" + hexadecimal(address) + ")");
  }
  const auto first = static_cast<std::size_t>(offset);
  for (std::size_t i = first; i < first + bytes; ++i) {
    if (writes) {
      region->written[i] = 1;
    } else if (region->written[i] == 0) {
      abandon(text(me) + " reads offset " + std::to_string(i) + " of " + region->name +
              ", which nothing has written");
    }
  }
  if (region->words.empty()) region->words.resize(region->word_count());
  for (std::size_t byte = first; byte < first + bytes;) {
    const std::size_t word = byte / kWordBytes;
    std::uint8_t mask = 0;
    for (; byte < first + bytes && byte / kWordBytes == word; ++byte) {
      mask = static_cast<std::uint8_t>(mask | 1U << byte % kWordBytes);
    }
    check_word(*region, word, mask, writes, is_atomic);
  }
}

// ---- the order of streams

void Checker::operation_begins(std::size_t stream, const StreamClock& after) {
  turn_ = {static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(after[stream])};
  after_ = after;
}

bool Checker::comes_after(Turn other) const {
  return other.number == 0 || (other.stream < after_.size() && after_[other.stream] >= other.number);
}

void Checker::check_turns(const std::byte* data, std::size_t bytes, bool writes) {
  Region* const region = region_of(data);
  if (region == nullptr || bytes == 0) return;
  const auto first = static_cast<std::size_t>(data - region->data);
  const std::size_t last = std::min(first + bytes, region->bytes) - 1;
  for (std::size_t word = first / kWordBytes; word <= last / kWordBytes; ++word)
    check_turn(*region, word, writes);
}

void Checker::check_turn(Region& region, std::size_t word, bool writes) {
  if (region.turns.empty()) region.turns.resize(region.word_count());
  Turns& turns = region.turns[word];
  if (turns.write == turn_) return;  // whoever is not ordered meets that write
  if (!comes_after(turns.write)) report_turn(region, word, turns.write, true, writes);
  if (writes) {
    for (const Turn& read : turns.reads) {
      if (!comes_after(read)) report_turn(region, word, read, false, writes);
    }
    turns = {turn_, {}};
    return;
  }
  Turn& kept = comes_after(turns.reads[0]) ? turns.reads[0] : turns.reads[1];
  kept = turn_;
}

void Checker::report_turn(const Region& region, std::size_t word, Turn other, bool other_writes,
                          bool writes) const {
  const std::string message = "race: stream " + std::to_string(turn_.stream) + " " + verb(writes) +
                              " offset " + std::to_string(word * kWordBytes) + " of " + region.name +
                              ", which stream " + std::to_string(other.stream) + " " + verb(other_writes) +
                              " with neither an event nor the host in between";
  if (current_thread != nullptr) abandon(message);
  throw DeviceError("a copy: " + message);
}

// ---- races

void Checker::check_word(Region& region, std::size_t index, std::uint8_t mask, bool writes, bool is_atomic) {
  if (!region.is_shared) check_turn(region, index, writes);
  Word& word = region.words[index];
  if (word.launch != launch_) {
    word = {};
    word.launch = launch_;
  }
  const Thread& me = *current_thread;
  const ThreadState& mine = state_of(me);
  const auto block = static_cast<std::uint32_t>(me.block->linear);
  const Access now{block, mine.now, static_cast<std::uint16_t>(me.linear), mask, is_atomic};
  const auto conflicts = [&](const Access& other) {
    const bool same_bytes = (other.mask & mask) != 0;
    const bool same_thread = other.block == block && other.thread == me.linear;
    return same_bytes && !same_thread && !(other.is_atomic && is_atomic) && !happened_before(other, mine);
  };
  for (Access& other : word.writes) {
    if (conflicts(other)) report_race(region, index, other, true, writes);
    if (writes) other.mask = static_cast<std::uint8_t>(other.mask & ~mask);  // overwritten
  }
  if (writes) {
    for (Access& other : word.reads) {
      if (conflicts(other)) report_race(region, index, other, false, writes);
      other.mask = static_cast<std::uint8_t>(other.mask & ~mask);  // ordered before this write
    }
    int slot = 0;
    while ((mask >> slot & 1) == 0) ++slot;
    if (word.writes[slot].mask != 0) {  // bytes above the lowest that an earlier, wider write still holds
      for (int other = 0; other < 4; ++other) {
        if (word.writes[other].mask == 0) slot = other;
      }
    }
    word.writes[slot] = now;
    return;
  }
  for (Access& read : word.reads) {
    const bool same_thread = read.block == block && read.thread == me.linear && read.mask == mask;
    if (read.mask != 0 && !same_thread && !happened_before(read, mine)) continue;
    read = now;
    return;
  }
  word.reads[word.next_read] = now;
  word.next_read = static_cast<std::uint8_t>((word.next_read + 1) % 4);
}

void Checker::report_race(const Region& region, std::size_t word, const Access& other, bool other_writes,
                          bool writes) const {
  const auto place = [this](std::size_t block, std::size_t thread) {
    const auto at = [](std::size_t i, dim3 size) {
      return "(" + std::to_string(i % size.x) + "," + std::to_string(i / size.x % size.y) + "," +
             std::to_string(i / size.x / size.y) + ")";
    };
    return "block " + at(block, grid_) + " thread " + at(thread, block_);
  };
  abandon("race: " + text(*current_thread) + " " + verb(writes) + " offset " +
          std::to_string(word * kWordBytes) + " of " + region.name + ", which " +
          place(other.block, other.thread) + " " + verb(other_writes) +
          " with nothing in between that orders them");
}

}  // namespace dml::emulator
