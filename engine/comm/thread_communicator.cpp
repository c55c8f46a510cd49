// Ranks as threads of one process: the communicator of tests, and the plainest statement of the contract.
//
// A collective is a rendezvous: every rank lays down a view of its memory and waits; the last one to arrive
// does the whole operation over all views, in rank order, and wakes the others. Messages are copied into a
// queue per (sender, receiver). One mutex guards everything; whoever waits is asleep on one condition
// variable.
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>

#include "engine/comm/host_communicator.h"
#include "engine/comm/sum.h"

namespace dml {
namespace {

using Clock = std::chrono::steady_clock;

enum class Collective { none, all_reduce, all_gather, broadcast, barrier };

/// What one rank lays down for a collective.
struct Contribution {
  Collective collective = Collective::none;
  View values = {};
  View gathered = {};
  int root = 0;

  /// Whether two ranks are in the same operation.
  [[nodiscard]] bool matches(const Contribution& other) const {
    return collective == other.collective && values.elements == other.values.elements &&
           values.dtype == other.values.dtype && root == other.root;
  }
};

/// What the ranks share. All members but `size` and `deadline` belong to the mutex.
struct World {
  World(int ranks, std::chrono::milliseconds limit)
      : size(ranks),
        deadline(limit),
        contributions(static_cast<std::size_t>(ranks)),
        departed(static_cast<std::size_t>(ranks), false),
        messages(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks)) {}

  const int size;
  const std::chrono::milliseconds deadline;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Contribution> contributions;  ///< by rank; Collective::none until it arrives
  int arrived = 0;
  std::uint64_t finished_collectives = 0;
  std::vector<bool> departed;  ///< by rank: its communicator is gone
  std::string fault;           ///< why the world is unusable; empty while it is fine
  std::vector<std::deque<std::vector<std::byte>>> messages;  ///< [sender * size + receiver]

  std::deque<std::vector<std::byte>>& queue(int sender, int receiver) {
    return messages[static_cast<std::size_t>(sender) * static_cast<std::size_t>(size) +
                    static_cast<std::size_t>(receiver)];
  }
  /// Ends every pending and later call of every rank.
  void fail(const std::string& cause) {
    if (fault.empty()) fault = cause;
    changed.notify_all();
  }
  /// The first departed rank that has not arrived at the pending collective, or -1.
  [[nodiscard]] int missing_departed_rank() const;
  [[nodiscard]] std::string missing_ranks() const;
  void finish_collective();
};

int World::missing_departed_rank() const {
  for (int r = 0; r < size; ++r) {
    const auto i = static_cast<std::size_t>(r);
    if (departed[i] && contributions[i].collective == Collective::none) return r;
  }
  return -1;
}

/// "rank 0", "ranks 0, 2".
std::string World::missing_ranks() const {
  std::string list;
  int count = 0;
  for (int r = 0; r < size; ++r) {
    if (contributions[static_cast<std::size_t>(r)].collective != Collective::none) continue;
    list += (count++ == 0 ? "" : ", ") + std::to_string(r);
  }
  return (count == 1 ? "rank " : "ranks ") + list;
}

void World::finish_collective() {
  const Contribution& first = contributions.front();
  switch (first.collective) {
    case Collective::all_reduce:
      for (int r = 1; r < size; ++r) {
        add_elements(first.values,
                     static_cast<const std::byte*>(contributions[static_cast<std::size_t>(r)].values.data));
      }
      for (int r = 1; r < size; ++r) {
        std::memcpy(contributions[static_cast<std::size_t>(r)].values.data, first.values.data,
                    first.values.bytes());
      }
      break;
    case Collective::all_gather:
      for (const Contribution& to : contributions) {
        for (int r = 0; r < size; ++r) {
          const View from = contributions[static_cast<std::size_t>(r)].values;
          std::memmove(to.gathered.slice(r * from.elements, from.elements).data, from.data, from.bytes());
        }
      }
      break;
    case Collective::broadcast: {
      const View from = contributions[static_cast<std::size_t>(first.root)].values;
      for (const Contribution& to : contributions) {
        if (to.values.data != from.data) std::memcpy(to.values.data, from.data, from.bytes());
      }
      break;
    }
    case Collective::barrier:
    case Collective::none:
      break;
  }
  for (Contribution& contribution : contributions) contribution = {};
  arrived = 0;
  ++finished_collectives;
  changed.notify_all();
}

class ThreadCommunicator final : public HostCommunicator {
 public:
  ThreadCommunicator(std::shared_ptr<World> world, int rank)
      : HostCommunicator(rank, world->size, world->deadline), world_(std::move(world)) {}

  ThreadCommunicator(const ThreadCommunicator&) = delete;
  ThreadCommunicator& operator=(const ThreadCommunicator&) = delete;
  ~ThreadCommunicator() override {
    const std::lock_guard lock(world_->mutex);
    world_->departed[static_cast<std::size_t>(rank())] = true;
    world_->changed.notify_all();
  }

  [[nodiscard]] std::string name() const override { return "threads"; }

 private:
  void all_reduce_checked(View values) override {
    meet({.collective = Collective::all_reduce, .values = values});
  }
  void all_gather_checked(View values, View gathered) override {
    meet({.collective = Collective::all_gather, .values = values, .gathered = gathered});
  }
  void broadcast_checked(View values, int root) override {
    meet({.collective = Collective::broadcast, .values = values, .root = root});
  }
  void barrier_checked() override { meet({.collective = Collective::barrier}); }

  void send_checked(View values, int peer) override;
  void recv_checked(View values, int peer) override;

  /// Takes part in a collective and returns when it is done.
  void meet(const Contribution& contribution);

  std::shared_ptr<World> world_;
};

void ThreadCommunicator::meet(const Contribution& contribution) {
  World& world = *world_;
  std::unique_lock lock(world.mutex);
  if (!world.fault.empty()) throw PeerFault(world.fault);
  for (int r = 0; r < size(); ++r) {
    const Contribution& other = world.contributions[static_cast<std::size_t>(r)];
    if (other.collective != Collective::none && !other.matches(contribution)) {
      world.fail("ranks " + std::to_string(r) + " and " + std::to_string(rank()) +
                 " called different collectives; all ranks must call the same ones in the same order");
      throw PeerFault(world.fault);
    }
  }
  world.contributions[static_cast<std::size_t>(rank())] = contribution;
  if (++world.arrived == size()) {
    world.finish_collective();
    return;
  }
  const std::uint64_t mine = world.finished_collectives;
  const auto limit = started() + deadline();
  while (world.finished_collectives == mine) {
    if (!world.fault.empty()) throw PeerFault(world.fault);
    if (const int gone = world.missing_departed_rank(); gone >= 0) {
      world.fail("rank " + std::to_string(gone) + " has left: it ended or failed earlier");
      throw PeerFault(world.fault);
    }
    if (world.changed.wait_until(lock, limit) == std::cv_status::timeout && Clock::now() >= limit &&
        world.finished_collectives == mine && world.fault.empty()) {
      world.fail(world.missing_ranks() + " did not take part before the deadline");
    }
  }
}

void ThreadCommunicator::send_checked(View values, int peer) {
  const std::lock_guard lock(world_->mutex);
  if (!world_->fault.empty()) throw PeerFault(world_->fault);
  if (world_->departed[static_cast<std::size_t>(peer)]) {
    world_->fail("rank " + std::to_string(peer) + " has left: it ended or failed earlier");
    throw PeerFault(world_->fault);
  }
  const auto* first = static_cast<const std::byte*>(values.data);
  world_->queue(rank(), peer).emplace_back(first, first + values.bytes());
  world_->changed.notify_all();
}

void ThreadCommunicator::recv_checked(View values, int peer) {
  World& world = *world_;
  std::unique_lock lock(world.mutex);
  auto& queue = world.queue(peer, rank());
  const auto limit = started() + deadline();
  while (queue.empty()) {
    if (!world.fault.empty()) throw PeerFault(world.fault);
    if (world.departed[static_cast<std::size_t>(peer)]) {
      world.fail("rank " + std::to_string(peer) + " has left: it ended or failed earlier");
      throw PeerFault(world.fault);
    }
    if (world.changed.wait_until(lock, limit) == std::cv_status::timeout && Clock::now() >= limit &&
        queue.empty() && world.fault.empty()) {
      world.fail("rank " + std::to_string(peer) + " sent nothing before the deadline");
    }
  }
  const std::vector<std::byte>& message = queue.front();
  if (message.size() != values.bytes()) {
    world.fail("rank " + std::to_string(peer) + " sent a message of " + std::to_string(message.size()) +
               " bytes where rank " + std::to_string(rank()) + " expects " + std::to_string(values.bytes()));
    throw PeerFault(world.fault);
  }
  if (!message.empty()) std::memcpy(values.data, message.data(), message.size());
  queue.pop_front();
}

}  // namespace

std::vector<std::unique_ptr<Communicator>> make_thread_communicators(int size,
                                                                     std::chrono::milliseconds deadline) {
  DML_ASSERT(size >= 1, "a world needs at least one rank");
  auto world = std::make_shared<World>(size, deadline);
  std::vector<std::unique_ptr<Communicator>> ranks;
  ranks.reserve(static_cast<std::size_t>(size));
  for (int r = 0; r < size; ++r) ranks.push_back(std::make_unique<ThreadCommunicator>(world, r));
  return ranks;
}

}  // namespace dml
