// Stands in for NCCL among ranks that are threads of one process and share a ThreadedBackend: the same
// functions, as strict as the real ones allow themselves to be.
//
//   - Nothing blocks the host: starting and finishing answer in_progress until all ranks have come.
//   - A send waits in its stream until its receiver is there: whoever relies on a buffer hangs.
//   - Operations between group_start and group_end go together.
#include "tests/comm/fake_nccl.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/comm/threaded_device.h"

namespace dml::test {
namespace {

using nccl::DataType;
using nccl::Result;

std::mutex mutex;  // of everything below
std::condition_variable changed;
bool released = false;

std::size_t size_of(DataType type) {
  switch (type) {
    case DataType::uint8:
      return 1;
    case DataType::int32:
    case DataType::float32:
      return 4;
    case DataType::int64:
    case DataType::float64:
      return 8;
  }
  return 0;
}

struct Message {
  const std::byte* source = nullptr;
  std::size_t bytes = 0;
  bool taken = false;
};

/// One all_reduce, all_gather or broadcast: what the ranks have brought to it.
struct Collective {
  std::vector<std::vector<std::byte>> brought;
  int arrived = 0, left = 0;
};

struct World {
  int size = 0;
  int joined = 0;
  int finished = 0;
  std::map<std::uint64_t, Collective> collectives;
  std::map<std::pair<int, int>, std::deque<Message*>> mailboxes;  // by sender and receiver
};

std::map<std::uint64_t, std::shared_ptr<World>> worlds;
std::uint64_t next_world = 0;

}  // namespace
}  // namespace dml::test

struct OpaqueFakeCommunicator {
  std::shared_ptr<dml::test::World> world;
  int rank = 0;
  bool finishing = false;
  std::uint64_t collectives = 0;
};

namespace dml::test {
namespace {

/// Those that a failed rank leaves behind stay here until the process ends.
std::vector<std::unique_ptr<OpaqueFakeCommunicator>> living;

OpaqueFakeCommunicator* fake(nccl::Communicator communicator) {
  return reinterpret_cast<OpaqueFakeCommunicator*>(communicator);
}

struct Send {
  Message message;
  int peer;
};
struct Receive {
  std::byte* target;
  std::size_t bytes;
  int peer;
};
/// What goes together on one stream.
struct Group {
  bool open = false;
  std::shared_ptr<World> world;
  int rank = 0;
  WorkQueue* queue = nullptr;
  std::vector<Send> sends;
  std::vector<Receive> receives;
};
thread_local Group group;

void run_messages(World& world, int rank, std::vector<Send>& sends, const std::vector<Receive>& receives) {
  std::unique_lock lock(mutex);
  for (Send& send : sends) world.mailboxes[{rank, send.peer}].push_back(&send.message);
  changed.notify_all();
  for (const Receive& receive : receives) {
    auto& mailbox = world.mailboxes[{receive.peer, rank}];
    changed.wait(lock, [&] { return released || !mailbox.empty(); });
    if (mailbox.empty()) continue;
    Message& message = *mailbox.front();
    mailbox.pop_front();
    std::memcpy(receive.target, message.source, std::min(receive.bytes, message.bytes));
    message.taken = true;
    changed.notify_all();
  }
  for (const Send& send : sends) changed.wait(lock, [&] { return released || send.message.taken; });
  // Let go with a message still in a mailbox: nobody may find it there.
  for (Send& send : sends) std::erase(world.mailboxes[{rank, send.peer}], &send.message);
}

void close_group() {
  group.open = false;
  if (group.queue == nullptr) return;
  group.queue->enqueue([world = group.world, rank = group.rank, sends = std::move(group.sends),
                        receives = std::move(group.receives)] {  // perhaps in a graph: again and again
    std::vector<Send> messages = sends;
    run_messages(*world, rank, messages, receives);
  });
  group = {};
}

void join_group(OpaqueFakeCommunicator& communicator, nccl::CudaStream stream) {
  group.world = communicator.world;
  group.rank = communicator.rank;
  group.queue = static_cast<WorkQueue*>(stream);
}

/// Enqueues a meeting of all ranks: each brings `bytes`, and `leave` has what all of them brought.
void enqueue_collective(nccl::Communicator communicator, nccl::CudaStream stream, const void* source,
                        std::size_t bytes, std::function<void(const Collective&)> leave) {
  OpaqueFakeCommunicator& self = *fake(communicator);
  auto* const queue = static_cast<WorkQueue*>(stream);
  queue->enqueue([&self, data = queue->memory_behind(source), bytes, leave = std::move(leave)] {
    std::unique_lock lock(mutex);
    const std::shared_ptr<World> world = self.world;
    const int rank = self.rank;
    const std::uint64_t number = self.collectives++;
    Collective& meeting = world->collectives[number];
    meeting.brought.resize(static_cast<std::size_t>(world->size));
    meeting.brought[static_cast<std::size_t>(rank)].assign(data, data + bytes);
    ++meeting.arrived;
    changed.notify_all();
    changed.wait(lock, [&] { return released || meeting.arrived == world->size; });
    if (meeting.arrived < world->size) return;
    leave(meeting);
    if (++meeting.left == world->size) world->collectives.erase(number);
  });
}

template <class T>
void sum(const Collective& meeting, std::byte* target, std::size_t count) {
  auto* const sums = reinterpret_cast<T*>(target);
  for (std::size_t i = 0; i < count; ++i) {
    T total{};
    for (const std::vector<std::byte>& values : meeting.brought) {
      T value;
      std::memcpy(&value, values.data() + i * sizeof(T), sizeof(T));
      total = static_cast<T>(total + value);
    }
    sums[i] = total;
  }
}

void let_go() {
  const std::lock_guard lock(mutex);
  released = true;
  changed.notify_all();
}

int living_communicators() {
  const std::lock_guard lock(mutex);
  return static_cast<int>(living.size());
}

}  // namespace
}  // namespace dml::test

using dml::nccl::Communicator;
using dml::nccl::Config;
using dml::nccl::CudaStream;
using dml::nccl::DataType;
using dml::nccl::Reduction;
using dml::nccl::Result;
using dml::nccl::UniqueId;
using namespace dml::test;  // NOLINT(google-build-using-namespace)

// NOLINTBEGIN(readability-identifier-naming)
extern "C" {

FakeNccl fake_nccl{.version = 22809,
                   .unique_id = Result::success,
                   .operation = Result::success,
                   .reported = Result::success,
                   .exchanges = 0,
                   .let_go = &let_go,
                   .living_communicators = &living_communicators};

Result ncclGetVersion(int* version) {
  *version = fake_nccl.version;
  return Result::success;
}

Result ncclGetUniqueId(UniqueId* id) {
  const std::lock_guard lock(mutex);
  released = false;
  id->internal.fill('x');
  ++next_world;
  std::memcpy(id->internal.data() + 40, &next_world, sizeof next_world);
  worlds[next_world] = std::make_shared<World>();
  return fake_nccl.unique_id;
}

Result ncclCommInitRankConfig(Communicator* communicator, int ranks, UniqueId id, int rank, Config* config) {
  const Config expected;
  if (config->magic != expected.magic || config->blocking != 0 || config->size != sizeof(Config) ||
      rank < 0 || rank >= ranks) {
    return Result::invalid_argument;
  }
  std::uint64_t number = 0;
  std::memcpy(&number, id.internal.data() + 40, sizeof number);
  const std::lock_guard lock(mutex);
  if (worlds.find(number) == worlds.end()) return Result::invalid_argument;
  auto created = std::make_unique<OpaqueFakeCommunicator>();
  created->world = worlds[number];
  created->rank = rank;
  created->world->size = ranks;
  ++created->world->joined;
  *communicator = reinterpret_cast<Communicator>(created.get());
  living.push_back(std::move(created));
  return Result::in_progress;
}

Result ncclCommGetAsyncError(Communicator communicator, Result* error) {
  const std::lock_guard lock(mutex);
  const OpaqueFakeCommunicator& self = *fake(communicator);
  const bool waits =
      self.finishing ? self.world->finished < self.world->size : self.world->joined < self.world->size;
  *error = waits ? Result::in_progress : fake_nccl.reported.load();
  return Result::success;
}

Result ncclCommFinalize(Communicator communicator) {
  const std::lock_guard lock(mutex);
  fake(communicator)->finishing = true;
  ++fake(communicator)->world->finished;
  return Result::in_progress;
}

Result ncclCommDestroy(Communicator communicator) {
  const std::lock_guard lock(mutex);
  std::erase_if(living, [&](const auto& one) { return one.get() == fake(communicator); });
  return Result::success;
}

const char* ncclGetErrorString(Result result) {
  return result == Result::remote_error ? "remote process exited or there was a network error"
                                        : "unhandled system error";
}

const char* ncclGetLastError(Communicator /*communicator*/) {
  return "a detail\nin two lines";
}

Result ncclGroupStart() {
  group = {};
  group.open = true;
  return Result::success;
}

Result ncclGroupEnd() {
  if (!group.open) return Result::invalid_usage;
  if (!group.sends.empty() && !group.receives.empty()) ++fake_nccl.exchanges;
  close_group();
  return Result::success;
}

Result ncclSend(const void* source, std::size_t count, DataType type, int peer, Communicator communicator,
                CudaStream stream) {
  if (fake_nccl.operation != Result::success) return fake_nccl.operation;
  const bool alone = !group.open;
  join_group(*fake(communicator), stream);
  group.sends.push_back({{group.queue->memory_behind(source), count * size_of(type)}, peer});
  if (alone) close_group();
  return Result::success;
}

Result ncclRecv(void* target, std::size_t count, DataType type, int peer, Communicator communicator,
                CudaStream stream) {
  if (fake_nccl.operation != Result::success) return fake_nccl.operation;
  const bool alone = !group.open;
  join_group(*fake(communicator), stream);
  group.receives.push_back({group.queue->memory_behind(target), count * size_of(type), peer});
  if (alone) close_group();
  return Result::success;
}

Result ncclAllReduce(const void* source, void* target, std::size_t count, DataType type, Reduction operation,
                     Communicator communicator, CudaStream stream) {
  if (fake_nccl.operation != Result::success) return fake_nccl.operation;
  if (operation != Reduction::sum) return Result::invalid_argument;
  std::byte* const sums = static_cast<WorkQueue*>(stream)->memory_behind(target);
  enqueue_collective(communicator, stream, source, count * size_of(type), [=](const Collective& meeting) {
    switch (type) {
      case DataType::float32:
        return sum<float>(meeting, sums, count);
      case DataType::float64:
        return sum<double>(meeting, sums, count);
      case DataType::int32:
        return sum<std::int32_t>(meeting, sums, count);
      case DataType::int64:
        return sum<std::int64_t>(meeting, sums, count);
      case DataType::uint8:
        return sum<std::uint8_t>(meeting, sums, count);
    }
  });
  return Result::success;
}

Result ncclAllGather(const void* source, void* target, std::size_t count, DataType type,
                     Communicator communicator, CudaStream stream) {
  if (fake_nccl.operation != Result::success) return fake_nccl.operation;
  const std::size_t bytes = count * size_of(type);
  std::byte* const gathered = static_cast<WorkQueue*>(stream)->memory_behind(target);
  enqueue_collective(communicator, stream, source, bytes, [=](const Collective& meeting) {
    std::byte* place = gathered;
    for (const std::vector<std::byte>& values : meeting.brought) {
      std::memcpy(place, values.data(), bytes);
      place += bytes;
    }
  });
  return Result::success;
}

Result ncclBroadcast(const void* source, void* target, std::size_t count, DataType type, int root,
                     Communicator communicator, CudaStream stream) {
  if (fake_nccl.operation != Result::success) return fake_nccl.operation;
  const std::size_t bytes = count * size_of(type);
  std::byte* const received = static_cast<WorkQueue*>(stream)->memory_behind(target);
  enqueue_collective(communicator, stream, source, bytes, [=](const Collective& meeting) {
    std::memcpy(received, meeting.brought[static_cast<std::size_t>(root)].data(), bytes);
  });
  return Result::success;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
