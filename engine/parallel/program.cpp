#include "engine/parallel/program.h"

namespace dml {

bool is_send(Verb verb) {
  return verb == Verb::send_activation || verb == Verb::send_gradient;
}

bool is_receive(Verb verb) {
  return verb == Verb::receive_activation || verb == Verb::receive_gradient;
}

std::string to_string(Verb verb) {
  switch (verb) {
    case Verb::clear_gradients:
      return "clear_gradients";
    case Verb::receive_activation:
      return "receive_activation";
    case Verb::forward:
      return "forward";
    case Verb::send_activation:
      return "send_activation";
    case Verb::receive_gradient:
      return "receive_gradient";
    case Verb::backward:
      return "backward";
    case Verb::backward_accumulate:
      return "backward_accumulate";
    case Verb::send_gradient:
      return "send_gradient";
    case Verb::reduce_gradients:
      return "reduce_gradients";
    case Verb::update:
      return "update";
    case Verb::average_parameters:
      return "average_parameters";
  }
  return "unknown";
}

std::string to_string(const Action& action) {
  std::string name = to_string(action.verb);
  switch (action.verb) {
    case Verb::clear_gradients:
    case Verb::update:
      return name;
    case Verb::reduce_gradients:
    case Verb::average_parameters:
      return name + "(bucket " + std::to_string(action.bucket) + ")";
    case Verb::send_activation:
    case Verb::send_gradient:
      return name + "(" + std::to_string(action.micro_batch) + ")->" + std::to_string(action.peer);
    case Verb::receive_activation:
    case Verb::receive_gradient:
      return name + "(" + std::to_string(action.micro_batch) + ")<-" + std::to_string(action.peer);
    case Verb::forward:
    case Verb::backward:
    case Verb::backward_accumulate:
      return name + "(" + std::to_string(action.micro_batch) + ")";
  }
  return name;
}

}  // namespace dml
