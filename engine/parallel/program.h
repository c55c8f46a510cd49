// A mode as data: per rank, the actions of one step, in order.
//
// A mode is a pure function (modes.h) that returns these lists; check.h proves them sound before anything
// runs; the one executor (engine/train/executor.h) carries them out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dml {

enum class Verb {
  clear_gradients,     ///< this rank has no samples in the step: its contribution is zero
  receive_activation,  ///< from the previous stage into the input of the slot
  forward,
  send_activation,  ///< the output of the slot to the next stage
  receive_gradient,
  backward,             ///< overwrites parameter gradients
  backward_accumulate,  ///< adds to them
  send_gradient,
  reduce_gradients,    ///< sums a bucket of gradients over the replicas, by all_reduce or all_gather
  update,              ///< optimizer step on this rank's parameters
  average_parameters,  ///< a bucket of weights and optimizer state: mean over the replicas, by samples
};

struct Action {
  Verb verb = Verb::forward;
  int micro_batch = 0;  ///< which slice of the rank's samples; unused by clear, reduce and update
  int slot = 0;         ///< which set of activation buffers holds the micro-batch
  int peer = -1;        ///< rank at the other end of a send or receive
  int bucket = -1;      ///< reduce_gradients, average_parameters: which range of the arena
  bool operator==(const Action&) const = default;
};

using Program = std::vector<Action>;

bool is_send(Verb verb);
bool is_receive(Verb verb);
std::string to_string(Verb verb);
/// "forward(2)", "send_activation(0)->1": one action as messages and traces show it.
std::string to_string(const Action& action);

}  // namespace dml
