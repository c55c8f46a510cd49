#include "kernels/cuda/runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "kernels/base/buffer.h"
#include "kernels/emulator/guarded_memory.h"
#include "kernels/emulator/launch_gate.h"

namespace dml::emulator {
namespace {

constexpr std::byte kPoison{0xff};
constexpr std::align_val_t kAlignment{256};

void join(StreamClock& clock, const StreamClock& other) {
  if (clock.size() < other.size()) clock.resize(other.size());
  for (std::size_t i = 0; i < other.size(); ++i) clock[i] = std::max(clock[i], other[i]);
}

}  // namespace

Device::Device(const DeviceOptions& options)
    : properties_{.name = "emulator",
                  .multiprocessors = kMultiprocessors,
                  .memory_bytes = options.memory_bytes},
      machine_(default_machine_options()),
      observer_(make_observer()),
      random_(options.seed) {
  if (const char* const launches = std::getenv("DML_EMULATOR_FAIL_AFTER")) {
    fails_after_ = std::strtoull(launches, nullptr, 10);
  }
  if (options.id < 0) throw UnavailableError("no emulated device " + std::to_string(options.id));
  machine_.seed = options.seed;
}

Device::~Device() {
  run_all();
}

void Device::throw_if_lost() const {
  if (!failure_.empty()) throw DeviceError("the device was lost: " + failure_);
}

/// The queue whose front runs next; null when nothing can run.
Device::Queue* Device::pick() {
  std::vector<Queue*> ready;
  for (Queue* const queue : queues_) {
    if (queue->operations.empty()) continue;
    const auto& is_ready = queue->operations.front().ready;
    if (is_ready && !is_ready()) continue;
    if (machine_.seed == 0) return queue;
    ready.push_back(queue);
  }
  return ready.empty() ? nullptr : ready[random_() % ready.size()];
}

/// Without an observer nobody asks what comes after what: all clocks stay empty.
void Device::begin(Queue& queue, const Operation& operation) {
  if (!observer_) return;
  join(queue.clock, operation.after);
  if (queue.clock.size() <= queue.number) queue.clock.resize(queue.number + 1);
  ++queue.clock[queue.number];
  observer_->operation_begins(queue.number, queue.clock);
}

void Device::run_until(const std::function<bool()>& done) {
  throw_if_lost();
  while (!done()) {
    Queue* const queue = pick();
    if (queue == nullptr) throw DeviceError("deadlock: every stream waits for an event that nobody records");
    const Operation operation = std::move(queue->operations.front());
    queue->operations.pop_front();
    begin(*queue, operation);
    try {
      operation.run();
    } catch (const std::exception& error) {
      failure_ = error.what();
      for (Queue* const lost : queues_) lost->operations.clear();
      throw;
    }
  }
}

/// Before memory or streams go. An error has been reported where the host waited, or comes up at its next
/// call.
void Device::run_all() noexcept {
  try {
    if (failure_.empty()) {
      run_until([this] {
        return std::all_of(queues_.begin(), queues_.end(),
                           [](const Queue* queue) { return queue->operations.empty(); });
      });
      for (const Queue* const queue : queues_) join(host_, queue->clock);
    }
  } catch (...) {  // NOLINT: failure_ keeps it
  }
}

void Device::run_kernel(const Launch& launch) {
  const LaunchShape& shape = launch.shape;
  Grid grid;
  grid.name = launch.name;
  grid.kernel = launch.kernel;
  grid.dim = dim3(shape.blocks.x, shape.blocks.y, shape.blocks.z);
  grid.block = dim3(shape.threads.x, shape.threads.y, shape.threads.z);
  grid.dynamic_shared = shape.shared_bytes;
  grid.cooperative = launch.cooperative;
  grid.options = machine_;
  ++launches_;
  if (fails_after_ > 0 && launches_ > fails_after_) {
    throw DeviceError("kernel " + std::string(launch.name) +
                      ": failed because DML_EMULATOR_FAIL_AFTER=" + std::to_string(fails_after_));
  }
  if (machine_.seed != 0) grid.options.seed = machine_.seed + launches_;
  grid.observer = observer_.get();
  grid.body = launch.body;
  run(grid);
  for (const auto& [data, allocation] : allocations_) {
    if (is_guard_untouched(data, allocation.bytes)) continue;
    throw DeviceError("kernel " + std::string(launch.name) + " wrote outside of the " +
                      std::to_string(allocation.bytes) + " bytes of " + allocation.purpose);
  }
}

void Device::reads(View source) const {
  if (observer_ && source.memory == Memory::device) {
    observer_->memory_read(static_cast<const std::byte*>(source.data), source.bytes());
  }
}

void Device::written(View target) const {
  if (observer_ && target.memory == Memory::device) {
    observer_->memory_written(static_cast<const std::byte*>(target.data), target.bytes());
  }
}

void Device::refuse_beyond_memory(std::size_t bytes, const std::string& purpose) const {
  const auto size = static_cast<std::size_t>(properties_.memory_bytes);
  std::size_t used = 0;
  for (const auto& [address, allocation] : allocations_) used += allocation.bytes;
  if (used + bytes <= size) return;
  throw OutOfMemoryError("out of emulated memory: " + mebibytes(bytes) + " for " + purpose +
                         " were refused; " + mebibytes(size - used) + " of " + mebibytes(size) + " are free");
}

DeviceMemory::DeviceMemory(Device& device, std::size_t bytes, const std::string& purpose)
    : device_(&device), bytes_(bytes) {
  device.throw_if_lost();
  if (bytes == 0) return;
  device.refuse_beyond_memory(bytes, purpose);
  data_ = new_guarded_memory(bytes, kAlignment);
  if (data_ == nullptr) {
    throw OutOfMemoryError("out of memory: " + mebibytes(bytes) + " for " + purpose + " were refused");
  }
  device.allocations_[data_] = {bytes, purpose};
  if (device.observer_) device.observer_->memory_begins(data_, bytes, purpose);
}

DeviceMemory::DeviceMemory(DeviceMemory&& other) noexcept
    : device_(other.device_),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

DeviceMemory::~DeviceMemory() {
  if (data_ == nullptr) return;
  device_->run_all();
  device_->allocations_.erase(data_);
  if (device_->observer_) device_->observer_->memory_ends(data_);
  delete_guarded_memory(data_, kAlignment);
}

PinnedMemory::PinnedMemory(Device& device, std::size_t bytes, const std::string& /*purpose*/)
    : device_(&device), data_(std::make_unique<std::byte[]>(bytes)), bytes_(bytes) {  // NOLINT
  std::fill_n(data_.get(), bytes, kPoison);
}

PinnedMemory::~PinnedMemory() {
  if (data_) device_->run_all();
}

void Event::record(DeviceStream& stream) {
  const std::uint64_t number = ++state_->recorded;
  stream.enqueue({{}, [state = state_, number, queue = &stream.queue_] {
                    state->reached = std::max(state->reached, number);
                    state->clock = queue->clock;
                  }});
}

void Event::synchronize() {
  const std::uint64_t number = state_->recorded;
  device_->run_until([&] { return state_->reached >= number; });
  join(device_->host_, state_->clock);
}

DeviceStream::DeviceStream(Device& device) : device_(&device) {
  queue_.number = device.streams_made_++;
  device.queues_.push_back(&queue_);
}

DeviceStream::~DeviceStream() {
  device_->run_all();
  std::erase(device_->queues_, &queue_);
}

void DeviceStream::enqueue(Device::Operation operation) {
  device_->throw_if_lost();
  if (queue_.recording != nullptr) {
    queue_.recording->push_back(std::move(operation));
  } else {
    if (device_->observer_) operation.after = device_->host_;
    queue_.operations.push_back(std::move(operation));
  }
}

void DeviceStream::synchronize() {
  if (queue_.recording != nullptr) throw DeviceError("the host waits for a stream that is being recorded");
  device_->run_until([this] { return queue_.operations.empty(); });
  join(device_->host_, queue_.clock);
}

void DeviceStream::copy(View source, View target) {
  DML_ASSERT(source.bytes() == target.bytes(), "a copy between views of different sizes");
  if (source.empty()) return;
  enqueue({{}, [device = device_, source, target] {
             device->reads(source);
             std::memcpy(target.data, source.data, source.bytes());
             device->written(target);
           }});
}

void DeviceStream::clear(View target) {
  if (target.empty()) return;
  enqueue({{}, [device = device_, target] {
             std::memset(target.data, 0, target.bytes());
             device->written(target);
           }});
}

void DeviceStream::wait(const Event& event) {
  const std::uint64_t number = event.state_->recorded;
  enqueue({[state = event.state_, number] { return state->reached >= number; },
           [state = event.state_, queue = &queue_] { join(queue->clock, state->clock); }});
}

void DeviceStream::enqueue_launch(Launch launch) {
  check_launch(launch.name, budget_of(launch.name), launch.shape, launch.cooperative);
  enqueue({{}, [device = device_, launch = std::move(launch)] { device->run_kernel(launch); }});
}

Graph::Graph(DeviceStream& stream, const std::function<void()>& enqueue) {
  DML_ASSERT(stream.queue_.recording == nullptr, "a stream records one graph at a time");
  stream.queue_.recording = &operations_;
  try {
    enqueue();
  } catch (...) {
    stream.queue_.recording = nullptr;
    throw;
  }
  stream.queue_.recording = nullptr;
}

void Graph::launch(DeviceStream& stream) const {
  for (const Device::Operation& operation : operations_) stream.enqueue(operation);
}

}  // namespace dml::emulator
