#include "tests/comm/threaded_device.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace dml::test {
namespace {

/// Between 0 and 127 microseconds, another one each time.
std::chrono::microseconds pause() {
  static std::atomic<std::uint32_t> calls{0};
  return std::chrono::microseconds((calls.fetch_add(1) * 2654435761U) >> 25U);
}

std::byte* memory_of(View view) {
  auto* const data = static_cast<std::byte*>(view.data);
  return view.memory == Memory::device ? behind(data) : data;
}

class ThreadedMark final : public DeviceMark {
 public:
  void set(Stream& stream) override {
    const std::uint64_t mine = ++set_;
    static_cast<ThreadedStream&>(stream).enqueue([reached = reached_, mine] { *reached = mine; });
  }
  [[nodiscard]] bool reached() override { return *reached_ == set_; }

 private:
  std::atomic<std::uint64_t> set_{0};
  std::shared_ptr<std::atomic<std::uint64_t>> reached_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

}  // namespace

ThreadedStream::ThreadedStream() : thread_([this] { run(); }) {}

ThreadedStream::~ThreadedStream() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ThreadedStream::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !work_.empty(); });
    if (work_.empty()) return;
    const std::function<void()> work = std::move(work_.front());
    work_.pop_front();
    running_ = true;
    lock.unlock();
    std::this_thread::sleep_for(pause());
    work();
    lock.lock();
    running_ = false;
    changed_.notify_all();
  }
}

void ThreadedStream::enqueue(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  work_.push_back(std::move(work));
  changed_.notify_all();
}

bool ThreadedStream::is_idle() {
  const std::lock_guard lock(mutex_);
  return work_.empty() && !running_;
}

void ThreadedStream::synchronize() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return work_.empty() && !running_; });
}

void ThreadedStream::copy(View source, View target) {
  DML_ASSERT(source.bytes() == target.bytes(), "a copy between views of different sizes");
  if (source.empty()) return;
  enqueue([source, target] { std::memcpy(memory_of(target), memory_of(source), source.bytes()); });
}

void ThreadedStream::clear(View target) {
  enqueue([target] { std::fill_n(memory_of(target), target.bytes(), std::byte{0}); });
}

std::unique_ptr<Stream> ThreadedBackend::make_stream() {
  return std::make_unique<ThreadedStream>();
}

Buffer ThreadedBackend::allocate(std::int64_t elements, const std::string& /*purpose*/) {
  auto memory = std::make_shared<std::vector<float>>(static_cast<std::size_t>(elements),
                                                     std::numeric_limits<float>::quiet_NaN());
  void* const address =
      // NOLINTNEXTLINE(performance-no-int-to-ptr)
      reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(memory->data()) + kDeviceBias);
  return {{address, elements, DType::f32, Memory::device}, memory};
}

Buffer ThreadedBackend::allocate_staging(std::int64_t bytes) {
  auto memory =
      std::make_shared<std::vector<std::uint8_t>>(static_cast<std::size_t>(bytes), std::uint8_t{0xff});
  return {view_of(std::span(*memory)), memory};
}

std::unique_ptr<Executable> ThreadedBackend::compile(std::span<const Operation> /*operations*/,
                                                     ParameterBinding& /*parameters*/,
                                                     const DataBinding& /*data*/,
                                                     const CompileOptions& /*options*/) {
  throw InternalError("nothing can be compiled for the threaded device");
}

std::unique_ptr<Optimizer> ThreadedBackend::make_optimizer(const OptimizerOptions& /*options*/,
                                                           ParameterBinding& /*parameters*/, View /*state*/,
                                                           std::int64_t /*first*/, std::int64_t /*count*/) {
  throw InternalError("the threaded device has no optimizer");
}

void* ThreadedLink::native(Stream& stream) {
  return static_cast<WorkQueue*>(&static_cast<ThreadedStream&>(stream));
}

std::unique_ptr<DeviceMark> ThreadedLink::make_mark() {
  ++marks;
  return std::make_unique<ThreadedMark>();
}

}  // namespace dml::test
