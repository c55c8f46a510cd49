#include "engine/parallel/check.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "kernels/base/error.h"

namespace dml {
namespace {

/// What a rank has done so far: enough to say whether its next action may run.
class RankState {
 public:
  RankState(int rank, const Topology& topology, const Program& program, bool training)
      : rank_(rank), topology_(topology), program_(program), training_(training) {}

  [[nodiscard]] bool done() const { return next_ == program_.size(); }
  [[nodiscard]] const Action& next() const { return program_[next_]; }
  [[nodiscard]] int slots() const { return slots_; }
  /// One update, or none where there is nothing to update with.
  [[nodiscard]] bool updated() const { return updates_ == (gradients_written_ ? 1 : 0); }

  [[noreturn]] void fail(const std::string& reason) const {
    throw InternalError("the program of rank " + std::to_string(rank_) + " is unsound at action " +
                        std::to_string(next_) + (done() ? "" : ", " + to_string(next())) + ": " + reason);
  }

  /// Performs the next action on this rank's own state.
  void advance() {
    const Action& action = next();
    const int m = action.micro_batch;
    switch (action.verb) {
      case Verb::clear_gradients:
        gradients_written_ = true;
        break;
      case Verb::receive_activation:
        occupy(action);
        inputs_.insert(m);
        break;
      case Verb::forward:
        if (topology_.is_first_stage(rank_)) {
          occupy(action);
        } else {
          require(inputs_.count(m) > 0, "its activation was not received");
        }
        require_slot(action);
        require(forwarded_.insert(m).second, "it has run already");
        if (!training_) slot_holds_.erase(action.slot);
        break;
      case Verb::send_activation:
        require(forwarded_.count(m) > 0, "it was not computed");
        break;
      case Verb::receive_gradient:
        require(forwarded_.count(m) > 0, "its forward has not run");
        output_gradients_.insert(m);
        break;
      case Verb::backward:
      case Verb::backward_accumulate:
        require(forwarded_.count(m) > 0, "its forward has not run");
        require(topology_.is_last_stage(rank_) || output_gradients_.count(m) > 0,
                "its output gradient was not received");
        require_slot(action);
        require((action.verb == Verb::backward_accumulate) == gradients_written_,
                "the first backward of a step overwrites the gradients and the others add to them");
        gradients_written_ = true;
        slot_holds_.erase(action.slot);
        require(backwarded_.insert(m).second, "it has run already");
        break;
      case Verb::send_gradient:
        require(backwarded_.count(m) > 0, "it was not computed");
        break;
      case Verb::reduce_gradients:
        require_gradients();
        break;
      case Verb::update:
        require_gradients();
        ++updates_;
        break;
      case Verb::average_parameters:
        require(updates_ == 1 || !gradients_written_, "its gradients have not been used yet");
        break;
    }
    ++next_;
  }

 private:
  void require(bool holds, const std::string& reason) const {
    if (!holds) fail(reason);
  }
  void require_gradients() const {
    require(gradients_written_, "no gradients were computed or cleared");
    require(backwarded_ == forwarded_, "a micro-batch still awaits its backward");
    require(updates_ == 0, "the step has been finished already");
  }
  void occupy(const Action& action) {
    require(slot_holds_.count(action.slot) == 0, "slot " + std::to_string(action.slot) + " is still in use");
    slot_holds_[action.slot] = action.micro_batch;
    slots_ = std::max(slots_, action.slot + 1);
  }
  void require_slot(const Action& action) const {
    const auto held = slot_holds_.find(action.slot);
    require(held != slot_holds_.end() && held->second == action.micro_batch,
            "slot " + std::to_string(action.slot) + " does not hold this micro-batch");
  }

  int rank_;
  const Topology& topology_;
  const Program& program_;
  bool training_;
  std::size_t next_ = 0;
  int slots_ = 0;
  int updates_ = 0;
  bool gradients_written_ = false;
  std::map<int, int> slot_holds_;  // slot -> micro-batch
  std::set<int> inputs_, forwarded_, output_gradients_, backwarded_;
};

Verb matching_receive(Verb send) {
  return send == Verb::send_activation ? Verb::receive_activation : Verb::receive_gradient;
}

bool is_local(Verb verb) {
  switch (verb) {
    case Verb::send_activation:
    case Verb::send_gradient:
    case Verb::receive_activation:
    case Verb::receive_gradient:
    case Verb::reduce_gradients:
    case Verb::average_parameters:
      return false;
    default:
      return true;
  }
}

class Simulation {
 public:
  Simulation(std::span<const Program> programs, const Topology& topology, bool training)
      : topology_(topology) {
    for (int rank = 0; rank < static_cast<int>(programs.size()); ++rank) {
      ranks_.emplace_back(rank, topology, programs[static_cast<std::size_t>(rank)], training);
    }
  }

  std::vector<RankState>& run() {
    while (true) {
      bool progress = false;
      for (int rank = 0; rank < static_cast<int>(ranks_.size()); ++rank) progress |= try_advance(rank);
      if (progress) continue;
      const auto stuck =
          std::find_if(ranks_.begin(), ranks_.end(), [](const RankState& r) { return !r.done(); });
      if (stuck == ranks_.end()) return ranks_;
      stuck->fail("no rank can go on (deadlock)");
    }
  }

 private:
  bool try_advance(int rank) {
    RankState& state = ranks_[static_cast<std::size_t>(rank)];
    if (state.done()) return false;
    const Action action = state.next();
    if (is_local(action.verb)) {
      state.advance();
      return true;
    }
    if (is_send(action.verb)) return try_deliver(rank, state, action);
    if (action.verb == Verb::reduce_gradients || action.verb == Verb::average_parameters) {
      return try_combine(rank, action);
    }
    return false;  // a receive advances together with its send
  }

  bool try_deliver(int rank, RankState& sender, const Action& send) {
    if (send.peer < 0 || send.peer >= static_cast<int>(ranks_.size()) || send.peer == rank) {
      sender.fail("there is no such peer");
    }
    RankState& receiver = ranks_[static_cast<std::size_t>(send.peer)];
    if (receiver.done())
      sender.fail("rank " + std::to_string(send.peer) + " has finished without receiving it");
    const Action receive = receiver.next();
    if (receive.peer != rank || is_send(receive.verb) || is_local(receive.verb)) return false;
    if (receive.verb != matching_receive(send.verb) || receive.micro_batch != send.micro_batch) {
      receiver.fail("rank " + std::to_string(rank) + " sends " + to_string(send) + " instead");
    }
    sender.advance();
    receiver.advance();
    return true;
  }

  /// A reduction or an average, which all replicas of a stage enter together.
  bool try_combine(int rank, const Action& action) {
    std::vector<RankState*> group;
    for (int r = 0; r < static_cast<int>(ranks_.size()); ++r) {
      if (topology_.stage_of(r) == topology_.stage_of(rank))
        group.push_back(&ranks_[static_cast<std::size_t>(r)]);
    }
    for (RankState* member : group) {
      if (member->done() || member->next().verb != action.verb) return false;
      if (member->next().bucket != action.bucket) member->fail("its replicas combine other buckets");
    }
    for (RankState* member : group) member->advance();
    return true;
  }

  const Topology& topology_;
  std::vector<RankState> ranks_;
};

}  // namespace

std::vector<ProgramNeeds> check_programs(std::span<const Program> programs, const Topology& topology,
                                         bool training) {
  DML_ASSERT(static_cast<int>(programs.size()) == topology.ranks(), "one program per rank");
  Simulation simulation(programs, topology, training);
  std::vector<ProgramNeeds> needs;
  for (const RankState& rank : simulation.run()) {
    if (training && !rank.updated()) rank.fail("a training step ends in exactly one update");
    needs.push_back({rank.slots()});
  }
  return needs;
}

}  // namespace dml
