// The emulated machine: grid > block > warp > thread, and the scheduler that runs them on one host thread.
//
// Every CUDA thread is a fiber. A thread runs until it waits (at a barrier, in a warp operation, while it
// polls an atomic), so a barrier costs stack switches and nothing else. Some blocks run interleaved, all
// blocks of a cooperative launch; blocks and threads take turns in order, or in an order drawn from a seed.
// What would hang or be undefined on a GPU is an error that names kernel, block, thread and place:
//
//   divergent or missing __syncthreads, a thread that exits while others wait for it, lanes that are missing
//   in a full-mask operation, deadlock (everybody waits, or everybody polls what nobody changes), too much
//   shared memory
//
// Shared memory is fresh NaN for every block. The words that kernels use are in device_words.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/cuda/launch_shape.h"
#include "kernels/emulator/fiber.h"

struct dim3 {  // NOLINT: CUDA's name
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}  // NOLINT
};

namespace dml::emulator {

/// How blocks and threads take turns; every choice is one that a GPU may make too.
struct MachineOptions {
  std::uint64_t seed = 0;        ///< of the order of blocks, threads and atomics; 0: in order
  unsigned resident_blocks = 4;  ///< run interleaved; a cooperative grid: all of them
  std::string dropped_barrier;   ///< "file.cu:12": barriers there do nothing, to see whether a test notices
};

/// What a new Device begins with; for tests.
MachineOptions& default_machine_options();

/// A place in a kernel, for messages and to tell barriers apart.
struct Site {
  const char* file = "";
  unsigned line = 0;

  /// Where the function is called that has this as a default argument.
  static Site here(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) {
    return {file, line};
  }
  bool operator==(const Site& other) const { return line == other.line; }
  /// "conv2d.cu:12"
  [[nodiscard]] std::string text() const;
};

struct Thread;
struct Block;

/// One use of a barrier: threads arrive, the last one wakes those that wait.
struct Meeting {
  std::size_t expected = 0, arrived = 0;
  std::vector<Thread*> waiting;
  std::vector<Thread*> members;  ///< kept for the observer
};

/// One warp operation: lanes leave their input and a place for their result.
struct WarpMeeting {
  std::uint32_t mask = 0, arrived = 0;
  Site site;
  const void* in[32] = {};
  void* out[32] = {};
};

struct Warp {
  Thread* lanes = nullptr;
  std::uint32_t present = 0, exited = 0;
  std::vector<std::shared_ptr<WarpMeeting>> open;
};

/// A copy to shared memory that takes place when it is waited for.
struct AsyncCopy {
  void* to = nullptr;
  const void* from = nullptr;
  std::size_t group = 0;
  std::byte data[16] = {};  ///< of the source when the copy began
};

enum class ThreadState : unsigned char { ready, polling, waiting, done };

/// A stack and where it goes on.
struct Fiber {
  std::unique_ptr<FiberStack> stack;
  Context context;
};

struct Thread {
  Fiber fiber;
  Block* block = nullptr;
  Warp* warp = nullptr;
  dim3 index;
  unsigned lane = 0, linear = 0;
  ThreadState state = ThreadState::done;
  bool in_kernel = false;
  bool abandoned = false;   ///< left in the middle of a kernel; its stack is not used again
  unsigned in_machine = 0;  ///< inside the machine's own templates, whose accesses are nobody's mistake
  const char* doing = "";   ///< what it waits for, and where
  Site site;
  const void* polled = nullptr;  ///< by the last atomic that changed nothing, and how many of those in a row
  std::uint64_t polled_value = 0;
  unsigned polls = 0;
  std::vector<AsyncCopy> copies;
  std::size_t copy_group = 0;
};

struct SharedVariable {
  const void* key = nullptr;  ///< null: the dynamic shared memory
  std::byte* data = nullptr;
  std::size_t bytes = 0;
};

inline constexpr int kBarriers = 16;

struct Block {
  dim3 index;
  std::size_t linear = 0;  ///< in the grid
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::shared_ptr<Meeting> barriers[kBarriers];
  std::size_t running = 0, exited = 0;
  std::vector<SharedVariable> shared;

  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { free_shared(); }
  void free_shared();
};

/// For each stream, by number, how many of its operations something comes after.
using StreamClock = std::vector<std::uint64_t>;

/// Called by the machine while a launch runs, so that accesses can be checked against what orders them.
class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;
  virtual void launch_begins(const struct Grid& grid) = 0;
  virtual void launch_ends() = 0;
  /// Threads of `members` have all arrived: what each did before happens before what any does from now on.
  virtual void threads_meet(const std::vector<Thread*>& members) = 0;
  virtual void shared_memory_begins(const Block& block, const SharedVariable& variable) = 0;
  virtual void shared_memory_ends(const SharedVariable& variable) = 0;
  /// The running thread reads or writes, by the machine's hand.
  virtual void accessed(const void* address, std::size_t bytes, bool writes) = 0;
  virtual void fence(bool gpu_scope) = 0;
  virtual void atomic(const void* address, bool reads, bool writes) = 0;
  virtual void acquire(const void* address) = 0;
  virtual void release(const void* address) = 0;

  // Between launches: operations of streams, and memory of the device.
  /// The operation after[stream] of that stream begins, a launch or a copy; streams, events and the host
  /// order it after those that `after` counts.
  virtual void operation_begins(std::size_t stream, const StreamClock& after) = 0;
  virtual void memory_begins(const std::byte* data, std::size_t bytes, const std::string& purpose) = 0;
  virtual void memory_ends(const std::byte* data) = 0;
  virtual void memory_read(const std::byte* data, std::size_t bytes) = 0;
  virtual void memory_written(const std::byte* data, std::size_t bytes) = 0;
};

/// Makes the observer of each Device from now on; null: none. For a program whose kernels report their
/// accesses.
using ObserverFactory = std::unique_ptr<Observer> (*)();
void set_observer_factory(ObserverFactory factory);
std::unique_ptr<Observer> make_observer();

/// One launch while it runs.
struct Grid {
  const char* name = "";
  const void* kernel = nullptr;  ///< which variant of it
  dim3 dim, block;
  std::size_t dynamic_shared = 0;
  bool cooperative = false;
  MachineOptions options;
  Observer* observer = nullptr;
  std::function<void()> body;  ///< the kernel with its arguments

  std::vector<std::unique_ptr<Block>> resident;
  std::vector<unsigned> todo;  ///< numbers of blocks that have not begun, next one last
  std::size_t running = 0;     ///< resident blocks that are not finished
  std::vector<Thread*> ready;
  std::mt19937_64 random;
  bool progress = false;  ///< in this round
  std::exception_ptr error;
  bool cancelled = false;
  Context scheduler;

  [[nodiscard]] std::size_t threads_per_block() const { return std::size_t{block.x} * block.y * block.z; }
  [[nodiscard]] std::size_t blocks() const { return std::size_t{dim.x} * dim.y * dim.z; }
};

extern thread_local constinit Thread* current_thread;  ///< null outside of kernels
extern thread_local constinit Grid* current_grid;

/// Runs all threads to their end; throws DeviceError when the kernel did what it may not.
void run(Grid& grid);

[[noreturn]] void fail(const std::string& message);
/// Ends the launch with this error from a place that exceptions cannot leave.
[[noreturn]] void abandon(const std::string& message);
/// "block (0,1,0) thread (3,0,0)"
std::string text(const Thread& thread);

// ---- what device_words.h is made of

/// While it lives, accesses of this thread are the machine's own.
class InMachine {
 public:
  InMachine() { ++current_thread->in_machine; }
  InMachine(const InMachine&) = delete;
  InMachine& operator=(const InMachine&) = delete;
  ~InMachine() { --current_thread->in_machine; }
};

void make_ready(Thread* thread);
/// Lets the others run; by itself no progress.
void yield(const char* doing, Site site);
void suspend(ThreadState state, const char* doing, Site site);

void synchronize_block(Site site);
/// Barrier `id` 1..15 of `threads` threads in whole warps; `wait` false arrives only.
void named_barrier(int id, int threads, bool wait, const char* doing, Site site);
[[nodiscard]] bool is_dropped(Site site);

/// Joins the open meeting of `mask` in this warp, or opens one; `in` and `out` stay valid until it is over.
/// Returns the meeting when this lane is the last: it fills everybody's result, then calls
/// finish_warp_meeting(). Null for the others, when their results are there.
std::shared_ptr<WarpMeeting> join_warp_meeting(std::uint32_t mask, const void* in, void* out,
                                               const char* doing, Site site);
void finish_warp_meeting(WarpMeeting& meeting, bool orders_memory);

std::byte* static_shared(const void* key, std::size_t bytes);
std::byte* dynamic_shared();

void atomic_begins(Site site);
/// After an atomic: `changed` memory, or found `value` at `address`.
void atomic_ends(const void* address, bool changed, std::uint64_t value, bool reads, Site site);
void fence(bool gpu_scope);
void observe_acquire(const void* address);
void observe_release(const void* address);

void async_copy(void* to, const void* from, Site site);
void async_commit();
void async_wait(std::size_t groups_left);

}  // namespace dml::emulator
