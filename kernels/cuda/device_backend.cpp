#include "kernels/cuda/device_backend.h"

#include <string>
#include <utility>
#include <vector>

#include "kernels/base/empty_executable.h"
#include "kernels/base/lowering.h"
#include "kernels/cuda/device_executable.h"
#include "kernels/cuda/device_optimizer.h"
#include "kernels/cuda/device_step_loop.h"
#include "kernels/cuda/mapped_values.h"
#include "kernels/cuda/pointwise.h"

namespace dml::DML_DEVICE {
namespace {

/// Counts up in bytes: what a view of `elements` values of a type takes.
template <class Bytes>
Buffer buffer_of(std::shared_ptr<Bytes> bytes, std::int64_t elements, DType dtype, Memory memory) {
  return {{bytes->data(), elements, dtype, memory}, bytes};
}

class DeviceBackend final : public Backend {
 public:
  explicit DeviceBackend(const DeviceOptions& options)
      : device_(options), cursor_(device_, 1, "the cursor"), use_graphs_(options.use_graphs) {
    DeviceStream setup(device_);
    cursor_.host()[0] = 0;
    cursor_.upload(setup);
    setup.synchronize();
  }

  [[nodiscard]] std::string name() const override { return device_.properties().name; }
  [[nodiscard]] DType dtype() const override { return DType::f32; }
  [[nodiscard]] Memory memory() const override { return Memory::device; }
  [[nodiscard]] std::unique_ptr<Stream> make_stream() override {
    return std::make_unique<DeviceStream>(device_);
  }

  [[nodiscard]] Buffer allocate(std::int64_t elements, const std::string& purpose) override {
    auto bytes = std::make_shared<DeviceMemory>(
        device_, static_cast<std::size_t>(elements) * size_in_bytes(dtype()), purpose);
    Buffer buffer = buffer_of(bytes, elements, dtype(), Memory::device);
    DeviceStream setup(device_);
    setup.clear(buffer.view);
    setup.synchronize();
    return buffer;
  }
  [[nodiscard]] Buffer allocate_staging(std::int64_t bytes) override {
    return buffer_of(
        std::make_shared<PinnedMemory>(device_, static_cast<std::size_t>(bytes), "staging memory"), bytes,
        DType::u8, Memory::host);
  }
  void sum_copies(View copies, View sum, Stream& stream) override {
    DML_ASSERT(sum.elements > 0 && copies.elements % sum.elements == 0,
               "copies of another size than their sum");
    DML_DEVICE::sum_copies(sum.elements, copies.elements / sum.elements,
                           static_cast<const float*>(copies.data), static_cast<float*>(sum.data),
                           static_cast<DeviceStream&>(stream));
  }
  void scale(View values, double factor, Stream& stream) override {
    DML_DEVICE::scale(values.elements, static_cast<float>(factor), static_cast<float*>(values.data),
                      static_cast<DeviceStream&>(stream));
  }

  [[nodiscard]] std::unique_ptr<Executable> compile(std::span<const Operation> operations,
                                                    ParameterBinding& parameters, const DataBinding& data,
                                                    const CompileOptions& options) override {
    check_operations(operations);
    if (sample_count(operations) == 0) return std::make_unique<EmptyExecutable>(operations, parameters);
    return std::make_unique<DeviceExecutable>(device_, operations, parameters, data, options,
                                              cursor_.on_device());
  }

  [[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                                          ParameterBinding& parameters, View state,
                                                          std::int64_t first, std::int64_t count) override {
    return std::make_unique<DeviceOptimizer>(device_, options, parameters, state, first, count,
                                             kLargestWindow, cursor_.on_device());
  }
  [[nodiscard]] std::unique_ptr<StepLoop> make_step_loop(
      const std::vector<StepPart>& parts, Optimizer& optimizer,
      const std::function<void(Stream&)>& replayed) override {
    return make_device_step_loop(device_, parts, dynamic_cast<DeviceOptimizer&>(optimizer),
                                 {.cursor = cursor_, .use_graphs = use_graphs_, .replayed = replayed});
  }

 private:
  Device device_;
  MappedValues<std::int32_t> cursor_;  ///< the place in progress of every window of this device; else 0
  bool use_graphs_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(const DeviceOptions& options) {
  return std::make_unique<DeviceBackend>(options);
}

}  // namespace dml::DML_DEVICE
