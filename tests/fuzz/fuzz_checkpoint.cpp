// Checkpoints, as they are and with the length of the header made right. What loads must save, load again and
// be the same. The content hash keeps most changed inputs from loading; all checks but that one come before
// it.
#include "engine/run/checkpoint.h"
#include "engine/run/safetensors.h"
#include "kernels/base/buffer.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

using dml::Checkpoint;
using dml::NamedTensor;

/// A checkpoint like `original` whose tensors show memory of its own, all zero.
class BlankCopy {
 public:
  explicit BlankCopy(const Checkpoint& original) : checkpoint_(original) {
    blank(checkpoint_.weights);
    for (dml::OptimizerSlot& slot : checkpoint_.optimizer) blank(slot.tensors);
  }
  [[nodiscard]] const Checkpoint& checkpoint() const { return checkpoint_; }

 private:
  void blank(std::vector<NamedTensor>& tensors) {
    for (NamedTensor& tensor : tensors) {
      buffers_.emplace_back(tensor.values.elements, tensor.values.dtype);
      tensor.values = buffers_.back().view();
    }
  }
  Checkpoint checkpoint_;
  std::vector<dml::HostBuffer> buffers_;
};

bool same_values(const std::vector<NamedTensor>& left, const std::vector<NamedTensor>& right) {
  for (std::size_t i = 0; i < left.size(); ++i) {
    const std::size_t bytes = left[i].values.bytes();
    if (bytes > 0 && std::memcmp(left[i].values.data, right[i].values.data, bytes) != 0) return false;
  }
  return left.size() == right.size();
}

void check(std::span<const std::uint8_t> bytes) {
  dml::fuzz::parse_foreign_bytes("input", [&] {
    const Checkpoint loaded = dml::parse_checkpoint(bytes, "input");
    const BlankCopy copy(loaded);
    dml::restore_tensors(loaded, copy.checkpoint(), "input");
    dml::fuzz::require(same_values(loaded.weights, copy.checkpoint().weights),
                       "what is restored is what was loaded");

    const std::string path = dml::fuzz::scratch_path();
    dml::save_checkpoint(path, copy.checkpoint());
    const Checkpoint again = dml::load_checkpoint(path);
    ::unlink(path.c_str());
    dml::fuzz::require(again.step == loaded.step && again.epoch == loaded.epoch &&
                           again.cursor == loaded.cursor && again.epoch_loss_sum == loaded.epoch_loss_sum &&
                           again.epoch_samples == loaded.epoch_samples &&
                           again.configuration == loaded.configuration,
                       "numbers survive a round trip");
    dml::fuzz::require(same_values(again.weights, loaded.weights), "weights survive a round trip");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check({data, size});
  check(dml::fuzz::framed_safetensors({data, size}));
  return 0;
}
