#include "engine/parallel/options.h"

namespace dml {

std::string to_string(Mode mode) {
  switch (mode) {
    case Mode::single:
      return "single";
    case Mode::data_parallel:
      return "data-parallel";
    case Mode::model_parallel:
      return "model-parallel";
  }
  return "unknown";
}

std::string to_string(Aggregate aggregate) {
  switch (aggregate) {
    case Aggregate::allreduce:
      return "allreduce";
    case Aggregate::allgather:
      return "allgather";
  }
  return "unknown";
}

std::string to_string(Schedule schedule) {
  switch (schedule) {
    case Schedule::sequential:
      return "sequential";
    case Schedule::gpipe:
      return "gpipe";
  }
  return "unknown";
}

std::string to_string(Share share) {
  switch (share) {
    case Share::equal:
      return "equal";
    case Share::speed:
      return "speed";
  }
  return "unknown";
}

}  // namespace dml
