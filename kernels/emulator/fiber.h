// Stacks that a program switches between by itself: what every emulated CUDA thread runs on.
//
// A fiber runs until it switches back to the context that resumed it. Switching saves the registers that a
// function call preserves (x86-64, System V) and tells AddressSanitizer which stack is in use. A fiber is
// always resumed by the thread that created it.
#pragma once

#include <cstddef>

namespace dml::emulator {

/// Where a context that was left goes on: a fiber, or the scheduler that resumed it.
struct Context {
  void* stack_pointer = nullptr;
  const void* stack_bottom = nullptr;  ///< lowest address; known for the scheduler once a fiber has begun
  std::size_t stack_bytes = 0;
  void* fake_stack = nullptr;  ///< AddressSanitizer's; null until the context is left for the first time
};

/// A fiber's stack with a guard page below it. Not running anything at first.
class FiberStack {
 public:
  FiberStack();
  FiberStack(FiberStack&& other) noexcept;
  FiberStack& operator=(FiberStack&& other) noexcept;
  FiberStack(const FiberStack&) = delete;
  FiberStack& operator=(const FiberStack&) = delete;
  ~FiberStack();

  /// A context that calls `entry` when it is first switched to. `entry` never returns.
  [[nodiscard]] Context begin(void (*entry)()) const;
  [[nodiscard]] bool holds(const void* address) const;
  /// False when no stack of this host thread can hold the address; cheap.
  [[nodiscard]] static bool any_may_hold(const void* address);

 private:
  std::byte* memory_ = nullptr;
};

/// Leaves `from`, goes on in `to`; returns when somebody switches to `from`, who then calls arrived().
void switch_context(Context& from, Context& to);
/// After a switch to `here`. A fiber passes the context that resumed it, so that it can find the way back;
/// what resumed a fiber passes null.
void arrived(const Context& here, Context* resumer);

}  // namespace dml::emulator
