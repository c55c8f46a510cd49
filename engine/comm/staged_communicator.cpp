#include "engine/comm/staged_communicator.h"

#include <string>

namespace dml {
namespace {

/// Staging memory that grows to the largest view it was asked for.
class Staging {
 public:
  explicit Staging(Backend& backend) : backend_(backend) {}

  View like(View values) {
    const auto bytes = static_cast<std::int64_t>(values.bytes());
    if (buffer_.view.elements < bytes) buffer_ = backend_.allocate_staging(bytes);
    return {buffer_.view.data, values.elements, values.dtype, Memory::host};
  }

 private:
  Backend& backend_;
  Buffer buffer_;
};

class StagedCommunicator final : public Communicator {
 public:
  StagedCommunicator(Communicator& host, Backend& backend)
      : host_(host), values_(backend), gathered_(backend) {}

  [[nodiscard]] int rank() const override { return host_.rank(); }
  [[nodiscard]] int size() const override { return host_.size(); }
  [[nodiscard]] std::string name() const override { return host_.name() + " (staged)"; }
  [[nodiscard]] std::optional<std::int64_t> bytes_sent() const override { return host_.bytes_sent(); }

  void all_reduce(View values, Stream& stream) override {
    if (values.memory == Memory::host) return host_.all_reduce(values, stream);
    const View staged = to_host(values, stream);
    host_.all_reduce(staged, stream);
    stream.copy(staged, values);
    stream.synchronize();
  }

  void all_gather(View values, View gathered, Stream& stream) override {
    if (values.memory == Memory::host) return host_.all_gather(values, gathered, stream);
    const View staged = gathered_.like(gathered);
    host_.all_gather(to_host(values, stream), staged, stream);
    stream.copy(staged, gathered);
    stream.synchronize();
  }

  void broadcast(View values, int root, Stream& stream) override {
    if (values.memory == Memory::host) return host_.broadcast(values, root, stream);
    const View staged = rank() == root ? to_host(values, stream) : values_.like(values);
    host_.broadcast(staged, root, stream);
    if (rank() == root) return;
    stream.copy(staged, values);
    stream.synchronize();
  }

  void send(View values, int peer, Stream& stream) override {
    host_.send(values.memory == Memory::host ? values : to_host(values, stream), peer, stream);
  }

  void recv(View values, int peer, Stream& stream) override {
    if (values.memory == Memory::host) return host_.recv(values, peer, stream);
    const View staged = values_.like(values);
    host_.recv(staged, peer, stream);
    stream.copy(staged, values);
    stream.synchronize();
  }

  void barrier(Stream& stream) override { host_.barrier(stream); }

 private:
  View to_host(View values, Stream& stream) {
    const View staged = values_.like(values);
    stream.copy(values, staged);  // the host's operation waits for it
    return staged;
  }

  Communicator& host_;
  Staging values_, gathered_;
};

}  // namespace

std::unique_ptr<Communicator> make_staged_communicator(Communicator& host, Backend& backend) {
  return std::make_unique<StagedCommunicator>(host, backend);
}

}  // namespace dml
