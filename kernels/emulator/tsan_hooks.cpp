// The functions that -fsanitize=thread makes a kernel call at each access, in place of that sanitizer's
// library: they hand the access to the checker.
#include <cstddef>

#include "kernels/emulator/checker.h"

// NOLINTBEGIN: the names are the compiler's

using dml::emulator::check_access;

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

void __tsan_read_range(const void* address, std::size_t bytes) {
  check_access(address, bytes, false);
}
void __tsan_write_range(const void* address, std::size_t bytes) {
  check_access(address, bytes, true);
}

#define DML_HOOKS(bytes)                                    \
  void __tsan_read##bytes(const void* address) {            \
    check_access(address, bytes, false);                    \
  }                                                         \
  void __tsan_write##bytes(const void* address) {           \
    check_access(address, bytes, true);                     \
  }                                                         \
  void __tsan_unaligned_read##bytes(const void* address) {  \
    check_access(address, bytes, false);                    \
  }                                                         \
  void __tsan_unaligned_write##bytes(const void* address) { \
    check_access(address, bytes, true);                     \
  }                                                         \
  void __tsan_volatile_read##bytes(const void* address) {   \
    check_access(address, bytes, false);                    \
  }                                                         \
  void __tsan_volatile_write##bytes(const void* address) {  \
    check_access(address, bytes, true);                     \
  }
DML_HOOKS(1)
DML_HOOKS(2)
DML_HOOKS(4)
DML_HOOKS(8)
DML_HOOKS(16)
#undef DML_HOOKS

// Guards of local statics, and counts of shared pointers.
char __tsan_atomic8_load(const volatile char* address, int /*order*/) {
  return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}
int __tsan_atomic32_fetch_add(volatile int* address, int value, int /*order*/) {
  return __atomic_fetch_add(address, value, __ATOMIC_ACQ_REL);
}
}

// NOLINTEND
