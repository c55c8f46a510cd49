#include "engine/train/mirrored_arena.h"

namespace dml {

MirroredArena::MirroredArena(Backend& backend, Stream& stream, std::int64_t elements,
                             const std::string& purpose)
    : stream_(stream), buffer_(backend.allocate(elements, purpose)) {
  if (buffer_.view.memory == Memory::device) mirror_ = HostBuffer(elements, backend.dtype());
}

View MirroredArena::host() {
  if (buffer_.view.memory == Memory::host) return buffer_.view;
  if (!host_is_current_) {
    stream_.copy(buffer_.view, mirror_.view());
    stream_.synchronize();
    host_is_current_ = true;
  }
  return mirror_.view();
}

void MirroredArena::upload() {
  if (buffer_.view.memory == Memory::host || !host_is_current_) return;
  stream_.copy(mirror_.view(), buffer_.view);
  stream_.synchronize();
}

}  // namespace dml
