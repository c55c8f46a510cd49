#include "kernels/emulator/fiber.h"

#include <algorithm>
#include <cstdint>
#include <sys/mman.h>
#include <utility>

#include "kernels/base/error.h"

#if !defined(__x86_64__)
#error "the emulator switches stacks in x86-64 assembly; port dml_switch_stack"
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace dml::emulator {
namespace {

// Instrumented code needs larger frames.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStackBytes = std::size_t{256} << 10U;
#else
constexpr std::size_t kStackBytes = std::size_t{64} << 10U;
#endif
constexpr std::size_t kGuardBytes = 4096;

/// Where the stacks of this host thread lie, from the lowest to the highest.
thread_local std::uintptr_t lowest_stack = UINTPTR_MAX, highest_stack = 0;

}  // namespace

// Pushes what a callee must preserve, saves the stack pointer to *save, loads `load` and pops the same there.
extern "C" void dml_switch_stack(void** save, void* load);
asm(R"(
.text
.globl dml_switch_stack
.hidden dml_switch_stack
.type dml_switch_stack,@function
dml_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  retq
.size dml_switch_stack,.-dml_switch_stack
)");

FiberStack::FiberStack() {
  void* const memory =
      mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) {
    throw UnavailableError("no memory for the stacks of emulated threads");
  }
  memory_ = static_cast<std::byte*>(memory);
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(memory, kStackBytes);  // what an earlier stack in this place left behind
#endif
  lowest_stack = std::min(lowest_stack, reinterpret_cast<std::uintptr_t>(memory));
  highest_stack = std::max(highest_stack, reinterpret_cast<std::uintptr_t>(memory) + kStackBytes);
}

bool FiberStack::any_may_hold(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  return at >= lowest_stack && at < highest_stack;
}

FiberStack::FiberStack(FiberStack&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}

FiberStack& FiberStack::operator=(FiberStack&& other) noexcept {
  std::swap(memory_, other.memory_);
  return *this;
}

FiberStack::~FiberStack() {
  if (memory_ != nullptr) munmap(memory_, kStackBytes);
}

Context FiberStack::begin(void (*entry)()) const {
  auto** top = reinterpret_cast<void**>(memory_ + kStackBytes);
  *--top = nullptr;                              // where `entry` would return to
  *--top = reinterpret_cast<void*>(entry);       // where the first switch returns to
  for (int i = 0; i < 6; ++i) *--top = nullptr;  // the registers that it pops
  return {top, memory_ + kGuardBytes, kStackBytes - kGuardBytes, nullptr};
}

bool FiberStack::holds(const void* address) const {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto bottom = reinterpret_cast<std::uintptr_t>(memory_);
  return at >= bottom && at < bottom + kStackBytes;
}

void switch_context(Context& from, Context& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack_bottom, to.stack_bytes);
#endif
  dml_switch_stack(&from.stack_pointer, to.stack_pointer);
}

void arrived([[maybe_unused]] const Context& here, [[maybe_unused]] Context* resumer) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(here.fake_stack, resumer == nullptr ? nullptr : &resumer->stack_bottom,
                                  resumer == nullptr ? nullptr : &resumer->stack_bytes);
#endif
}

}  // namespace dml::emulator
