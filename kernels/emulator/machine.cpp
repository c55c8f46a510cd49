#include "kernels/emulator/machine.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <new>

#include "kernels/emulator/guarded_memory.h"
#include "kernels/emulator/launch_gate.h"

namespace dml::emulator {

thread_local constinit Thread* current_thread = nullptr;
thread_local constinit Grid* current_grid = nullptr;

namespace {

constexpr unsigned kIdleRounds = 2000;  // of nothing but polling: a deadlock
constexpr std::align_val_t kSharedAlignment{16};

/// Unwinds the fibers that an error left suspended.
struct Cancelled {};

/// Fibers are kept for the next launch of this host thread.
thread_local std::vector<Fiber> idle_fibers;

std::string what_it_does(const Thread& thread) {
  return text(thread) + " at " + thread.doing + " " + thread.site.text();
}

std::string who_waits(const std::string& title) {
  std::string message = title;
  for (const auto& block : current_grid->resident) {
    for (const Thread& thread : block->threads) {
      if (thread.state != ThreadState::done && message.size() < 400)
        message += " " + what_it_does(thread) + ";";
    }
  }
  return message;
}

void to_scheduler() {
  switch_context(current_thread->fiber.context, current_grid->scheduler);
  arrived(current_thread->fiber.context, &current_grid->scheduler);  // maybe another thread of another launch
}

void resume(Thread& thread) {
  current_thread = &thread;
  if (thread.state == ThreadState::polling) thread.state = ThreadState::ready;
  switch_context(current_grid->scheduler, thread.fiber.context);
  arrived(current_grid->scheduler, nullptr);
  current_thread = nullptr;
}

void exit_thread() {
  Thread& me = *current_thread;
  Block& block = *me.block;
  const auto error = [&](const std::string& message) { fail(text(me) + " exited " + message); };
  if (!me.copies.empty()) error("with cp.async copies that it did not wait for");
  if (block.barriers[0]) error("while others wait: " + what_it_does(*block.barriers[0]->waiting.front()));
  for (const auto& meeting : me.warp->open) {
    if ((meeting->mask >> me.lane & 1U) != 0)
      error("while lanes of its warp wait for it at " + meeting->site.text());
  }
  me.warp->exited |= 1U << me.lane;
  if (++block.exited < block.threads.size()) return;
  for (const auto& barrier : block.barriers) {
    if (barrier) error("and its block ends with arrivals at a named barrier that nobody waited for");
  }
  for (const SharedVariable& variable : block.shared) {
    if (is_guard_untouched(variable.data, variable.bytes)) continue;
    error("last of its block, which wrote outside of its " + std::to_string(variable.bytes) +
          " bytes of shared memory");
  }
  block.free_shared();
}

[[noreturn]] void fiber_main() {
  arrived({}, &current_grid->scheduler);
  for (;;) {  // one kernel thread per turn
    try {
      current_thread->in_kernel = true;
      current_grid->body();
      exit_thread();
    } catch (const Cancelled&) {  // NOLINT: unwound, which was the purpose
    } catch (...) {
      if (!current_grid->error) current_grid->error = std::current_exception();
    }
    current_thread->in_kernel = false;
    current_thread->state = ThreadState::done;
    to_scheduler();
  }
}

template <class T>
void arrange(std::vector<T>& turns) {
  if (current_grid->options.seed != 0) std::shuffle(turns.begin(), turns.end(), current_grid->random);
}

/// Gives `block` the next number and makes its threads ready.
void start_next(Block& block) {
  const Grid& grid = *current_grid;
  const unsigned number = current_grid->todo.back();
  current_grid->todo.pop_back();
  block.linear = number;
  block.index = dim3(number % grid.dim.x, number / grid.dim.x % grid.dim.y, number / grid.dim.x / grid.dim.y);
  block.exited = 0;
  block.running = block.threads.size();
  for (Warp& warp : block.warps) warp.exited = 0;
  for (Thread& thread : block.threads) {
    thread.polled = nullptr;
    thread.polls = 0;
    thread.copy_group = 0;
    thread.in_machine = 0;
    make_ready(&thread);
  }
}

std::unique_ptr<Block> new_block() {
  const Grid& grid = *current_grid;
  auto block = std::make_unique<Block>();
  const std::size_t threads = grid.threads_per_block();
  block->threads.resize(threads);
  block->warps.resize((threads + 31) / 32);
  for (std::size_t i = 0; i < threads; ++i) {
    Thread& thread = block->threads[i];
    if (idle_fibers.empty()) {
      Fiber& fresh = idle_fibers.emplace_back(Fiber{std::make_unique<FiberStack>(), {}});
      fresh.context = fresh.stack->begin(fiber_main);
    }
    thread.fiber = std::move(idle_fibers.back());
    idle_fibers.pop_back();
    thread.block = block.get();
    thread.warp = &block->warps[i / 32];
    thread.lane = static_cast<unsigned>(i % 32);
    thread.linear = static_cast<unsigned>(i);
    thread.index = dim3(thread.linear % grid.block.x, thread.linear / grid.block.x % grid.block.y,
                        thread.linear / grid.block.x / grid.block.y);
    if (thread.lane == 0) thread.warp->lanes = &thread;
    thread.warp->present |= 1U << thread.lane;
  }
  return block;
}

void run_rounds() {
  Grid& grid = *current_grid;
  std::vector<Thread*> round;
  unsigned idle_rounds = 0;
  while (grid.running > 0) {
    if (grid.ready.empty()) fail(who_waits("deadlock:"));
    round.clear();
    round.swap(grid.ready);
    arrange(round);
    grid.progress = false;
    for (Thread* const thread : round) {
      resume(*thread);
      if (grid.error) std::rethrow_exception(grid.error);
      grid.progress |= thread->state != ThreadState::polling;
      Block& block = *thread->block;
      if (thread->state != ThreadState::done || --block.running > 0) continue;
      if (grid.todo.empty()) {
        --grid.running;
      } else {
        start_next(block);
      }
    }
    idle_rounds = grid.progress ? 0 : idle_rounds + 1;
    if (idle_rounds > kIdleRounds) fail(who_waits("deadlock, every thread that could run polls:"));
  }
}

/// Whatever happens: unwinds suspended fibers and keeps their stacks.
class RunningGrid {
 public:
  explicit RunningGrid(Grid& grid) {
    current_grid = &grid;
    if (grid.observer != nullptr) grid.observer->launch_begins(grid);
  }
  RunningGrid(const RunningGrid&) = delete;
  RunningGrid& operator=(const RunningGrid&) = delete;
  ~RunningGrid() {
    Grid& grid = *current_grid;
    grid.cancelled = true;
    for (const auto& block : grid.resident) {
      for (Thread& thread : block->threads) {
        if (thread.in_kernel) resume(thread);
      }
    }
    for (const auto& block : grid.resident) {
      for (Thread& thread : block->threads) {
        if (!thread.abandoned) idle_fibers.push_back(std::move(thread.fiber));
      }
    }
    if (grid.observer != nullptr) grid.observer->launch_ends();
    current_grid = nullptr;
  }
};

std::shared_ptr<Meeting>& barrier_of_block(int id) {
  return current_thread->block->barriers[id];
}

/// Joins the open meeting of a barrier, or opens one for `expected` threads; the last one wakes the others.
void join(std::shared_ptr<Meeting>& barrier, std::size_t expected, bool wait, const char* doing, Site site) {
  if (!barrier) {
    barrier = std::make_shared<Meeting>();
    barrier->expected = expected;
  }
  const std::shared_ptr<Meeting> meeting = barrier;
  if (meeting->expected != expected) {
    fail(text(*current_thread) + " expects " + std::to_string(expected) + " threads at " + doing + " " +
         site.text() + ", the others " + std::to_string(meeting->expected));
  }
  if (current_grid->observer != nullptr) meeting->members.push_back(current_thread);
  if (++meeting->arrived < expected) {
    if (!wait) return;
    meeting->waiting.push_back(current_thread);
    suspend(ThreadState::waiting, doing, site);
    return;
  }
  barrier.reset();
  if (current_grid->observer != nullptr) current_grid->observer->threads_meet(meeting->members);
  for (Thread* const thread : meeting->waiting) make_ready(thread);
}

SharedVariable& new_shared(Block& block, const void* key, std::size_t bytes) {
  std::byte* const data = new_guarded_memory(bytes, kSharedAlignment);
  if (data == nullptr) throw std::bad_alloc();
  SharedVariable& variable = block.shared.emplace_back(SharedVariable{key, data, bytes});
  if (current_grid->observer != nullptr) current_grid->observer->shared_memory_begins(block, variable);
  return variable;
}

}  // namespace

MachineOptions& default_machine_options() {
  static MachineOptions options;
  return options;
}

namespace {
ObserverFactory observer_factory = nullptr;
}  // namespace

void set_observer_factory(ObserverFactory factory) {
  observer_factory = factory;
}

std::unique_ptr<Observer> make_observer() {
  return observer_factory == nullptr ? nullptr : observer_factory();
}

std::string Site::text() const {
  const char* const slash = std::strrchr(file, '/');
  return std::string(slash != nullptr ? slash + 1 : file) + ":" + std::to_string(line);
}

void Block::free_shared() {
  for (const SharedVariable& variable : shared) {
    if (current_grid != nullptr && current_grid->observer != nullptr) {
      current_grid->observer->shared_memory_ends(variable);
    }
    delete_guarded_memory(variable.data, kSharedAlignment);
  }
  shared.clear();
}

void fail(const std::string& message) {
  throw DeviceError("kernel " + std::string(current_grid != nullptr ? current_grid->name : "?") + ": " +
                    message);
}

void abandon(const std::string& message) {
  if (!current_grid->error) {
    current_grid->error =
        std::make_exception_ptr(DeviceError("kernel " + std::string(current_grid->name) + ": " + message));
  }
  current_thread->abandoned = true;
  current_thread->in_kernel = false;
  current_thread->state = ThreadState::done;
  to_scheduler();
  std::terminate();  // nobody resumes an abandoned thread
}

std::string text(const Thread& thread) {
  const dim3 b = thread.block->index;
  const dim3 t = thread.index;
  char line[128];
  std::snprintf(line, sizeof line, "block (%u,%u,%u) thread (%u,%u,%u)", b.x, b.y, b.z, t.x, t.y, t.z);
  return line;
}

void run(Grid& grid) {
  if (current_grid != nullptr) fail("launched from inside a kernel");
  grid.random.seed(grid.options.seed);
  const RunningGrid running(grid);
  const std::size_t room = std::max<std::size_t>(1, kMostResidentThreads / grid.threads_per_block());
  const std::size_t wanted = std::max(1U, grid.options.resident_blocks);
  const std::size_t resident = grid.cooperative ? grid.blocks() : std::min({grid.blocks(), room, wanted});
  grid.todo.resize(grid.blocks());
  for (std::size_t i = 0; i < grid.todo.size(); ++i) grid.todo[i] = static_cast<unsigned>(i);
  arrange(grid.todo);
  std::reverse(grid.todo.begin(), grid.todo.end());  // taken from the back
  grid.running = resident;
  for (std::size_t i = 0; i < resident; ++i) start_next(*grid.resident.emplace_back(new_block()));
  run_rounds();
}

void suspend(ThreadState state, const char* doing, Site site) {
  Thread& me = *current_thread;
  me.state = state;
  me.doing = doing;
  me.site = site;
  to_scheduler();
  if (current_grid->cancelled) throw Cancelled{};
}

void make_ready(Thread* thread) {
  thread->state = ThreadState::ready;
  current_grid->ready.push_back(thread);
}

void yield(const char* doing, Site site) {
  current_grid->ready.push_back(current_thread);
  suspend(ThreadState::polling, doing, site);
}

bool is_dropped(Site site) {
  const std::string& dropped = current_grid->options.dropped_barrier;
  return !dropped.empty() && site.text() == dropped;
}

void synchronize_block(Site site) {
  if (is_dropped(site)) return;
  Block& block = *current_thread->block;
  if (block.exited > 0) {
    fail(text(*current_thread) + " at __syncthreads " + site.text() + ", but " +
         std::to_string(block.exited) + " thread(s) of the block have exited");
  }
  const std::shared_ptr<Meeting>& barrier = barrier_of_block(0);
  if (barrier && !(barrier->waiting.front()->site == site)) {
    fail("divergent __syncthreads: " + text(*current_thread) + " at " + site.text() + ", " +
         what_it_does(*barrier->waiting.front()));
  }
  join(barrier_of_block(0), block.threads.size(), true, "__syncthreads", site);
}

void named_barrier(int id, int threads, bool wait, const char* doing, Site site) {
  if (id < 1 || id >= kBarriers) fail(text(*current_thread) + ": named barriers are 1..15, " + site.text());
  const bool whole_warps = threads > 0 && threads % 32 == 0;
  if (!whole_warps || static_cast<std::size_t>(threads) > current_thread->block->threads.size()) {
    fail(text(*current_thread) + ": a named barrier takes whole warps of the block, " + site.text());
  }
  join(barrier_of_block(id), static_cast<std::size_t>(threads), wait, doing, site);
}

std::shared_ptr<WarpMeeting> join_warp_meeting(std::uint32_t mask, const void* in, void* out,
                                               const char* doing, Site site) {
  Thread& me = *current_thread;
  Warp& warp = *me.warp;
  const auto error = [&](const std::string& message) {
    fail(text(me) + ", " + doing + " " + site.text() + ": " + message);
  };
  if ((mask >> me.lane & 1U) == 0) error("the calling lane is not in the mask");
  if ((mask & ~warp.present) != 0) error("the mask names lanes beyond the block");
  if ((mask & warp.exited) != 0) {
    error("waits for lane " + std::to_string(std::countr_zero(mask & warp.exited)) + ", which has exited");
  }
  std::shared_ptr<WarpMeeting> meeting;
  for (const auto& open : warp.open) {
    if ((open->mask & mask) == 0) continue;
    if (open->mask != mask || !(open->site == site)) {
      error("meets lane " + std::to_string(std::countr_zero(open->arrived)) + " at " + open->site.text() +
            " (another mask or place)");
    }
    meeting = open;
  }
  if (!meeting) {
    meeting = std::make_shared<WarpMeeting>();
    meeting->mask = mask;
    meeting->site = site;
    warp.open.push_back(meeting);
  }
  meeting->in[me.lane] = in;
  meeting->out[me.lane] = out;
  meeting->arrived |= 1U << me.lane;
  if (meeting->arrived == mask) {
    std::erase(warp.open, meeting);
    return meeting;
  }
  suspend(ThreadState::waiting, doing, site);
  return nullptr;
}

void finish_warp_meeting(WarpMeeting& meeting, bool orders_memory) {
  Warp& warp = *current_thread->warp;
  if (orders_memory && current_grid->observer != nullptr) {
    std::vector<Thread*> members;
    for (std::uint32_t rest = meeting.mask; rest != 0; rest &= rest - 1) {
      members.push_back(&warp.lanes[std::countr_zero(rest)]);
    }
    current_grid->observer->threads_meet(members);
  }
  for (std::uint32_t rest = meeting.mask & ~(1U << current_thread->lane); rest != 0; rest &= rest - 1) {
    make_ready(&warp.lanes[std::countr_zero(rest)]);
  }
}

std::byte* static_shared(const void* key, std::size_t bytes) {
  Block& block = *current_thread->block;
  std::size_t total = bytes;
  for (const SharedVariable& variable : block.shared) {
    if (variable.key == key) return variable.data;
    if (variable.key != nullptr) total += variable.bytes;
  }
  if (total > kStaticSharedLimit || total + current_grid->dynamic_shared > kSharedLimit) {
    fail("too much shared memory: " + std::to_string(total) + " bytes static and " +
         std::to_string(current_grid->dynamic_shared) + " dynamic; 48 KiB static and 227 KiB together fit");
  }
  const KernelBudget* const budget = budget_of(current_grid->name);
  if (budget != nullptr && total > budget->shared_bytes) {
    fail(std::to_string(total) + " bytes of static shared memory; " + std::to_string(budget->shared_bytes) +
         " were compiled in");
  }
  return new_shared(block, key, bytes).data;
}

std::byte* dynamic_shared() {
  if (current_grid->dynamic_shared == 0) fail("uses dynamic shared memory, but the launch gives none");
  Block& block = *current_thread->block;
  for (const SharedVariable& variable : block.shared) {
    if (variable.key == nullptr) return variable.data;
  }
  return new_shared(block, nullptr, current_grid->dynamic_shared).data;
}

// ---- atomics and fences

/// With a seed, any atomic may be preceded by others.
void atomic_begins(Site site) {
  if (current_grid->options.seed != 0 && (current_grid->random() & 1U) != 0) yield("atomic", site);
}

/// A thread that finds the same value at the same address again, or has done nothing else for a while, is
/// polling.
void atomic_ends(const void* address, bool changed, std::uint64_t value, bool reads, Site site) {
  Thread& me = *current_thread;
  if (current_grid->observer != nullptr) current_grid->observer->atomic(address, reads, changed);
  if (changed) {
    me.polled = nullptr;
    me.polls = 0;
    current_grid->progress = true;
    return;
  }
  const bool again = (me.polled == address && me.polled_value == value) || ++me.polls % 64 == 0;
  me.polled = address;
  me.polled_value = value;
  if (again) yield("atomic", site);
}

void fence(bool gpu_scope) {
  if (current_grid->observer != nullptr) current_grid->observer->fence(gpu_scope);
}
void observe_acquire(const void* address) {
  if (current_grid->observer != nullptr) current_grid->observer->acquire(address);
}
void observe_release(const void* address) {
  if (current_grid->observer != nullptr) current_grid->observer->release(address);
}

// ---- cp.async may read and write at any time between the call and the wait. So the call reads the source
// and poisons the target, and the wait copies: too early a read, or too late an overwrite, shows in the data.

void async_copy(void* to, const void* from, Site site) {
  const auto misaligned = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 != 0; };
  if (misaligned(to) || misaligned(from)) {
    fail(text(*current_thread) + ": a cp.async address is not 16-byte aligned, " + site.text());
  }
  if (current_grid->observer != nullptr)
    current_grid->observer->accessed(from, sizeof(AsyncCopy::data), false);
  AsyncCopy copy{to, from, current_thread->copy_group, {}};
  std::memcpy(copy.data, from, sizeof copy.data);
  std::memset(to, 0xff, sizeof copy.data);
  current_thread->copies.push_back(copy);
}

void async_commit() {
  ++current_thread->copy_group;
}

void async_wait(std::size_t groups_left) {
  std::vector<AsyncCopy>& copies = current_thread->copies;
  std::size_t done = 0;
  for (; done < copies.size() && copies[done].group + groups_left < current_thread->copy_group; ++done) {
    const AsyncCopy& copy = copies[done];
    if (std::memcmp(copy.data, copy.from, sizeof copy.data) != 0) {
      fail(text(*current_thread) + ": the source of a cp.async changed during the copy");
    }
    if (current_grid->observer != nullptr) current_grid->observer->accessed(copy.to, sizeof copy.data, true);
    std::memcpy(copy.to, copy.data, sizeof copy.data);
  }
  copies.erase(copies.begin(), copies.begin() + static_cast<std::ptrdiff_t>(done));
}

}  // namespace dml::emulator
