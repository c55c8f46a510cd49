// A stage compiled for a device: a chain of steps, their memory and the views at its ends.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/backend.h"
#include "kernels/cuda/mapped_values.h"
#include "kernels/cuda/resident_data.h"
#include "kernels/cuda/step.h"

namespace dml::DML_DEVICE {

class DeviceExecutable final : public Executable {
 public:
  /// At least one sample; EmptyExecutable is for none. `cursor`, on the device, is 0 but for the inside of a
  /// loop.
  DeviceExecutable(Device& device, std::span<const Operation> operations, ParameterBinding& parameters,
                   const DataBinding& data, const CompileOptions& options, const std::int32_t* cursor);

  void run(Phase phase, Stream& stream) override;
  [[nodiscard]] std::span<std::int64_t> sample_indices() override;
  [[nodiscard]] View input() override { return input_.values_view(); }
  [[nodiscard]] View output() override { return stage_.last.values_view(); }
  [[nodiscard]] View output_gradient() override;
  [[nodiscard]] View input_gradient() override { return input_.gradient_view(); }
  [[nodiscard]] LossResult loss() override;
  [[nodiscard]] std::string first_non_finite_layer() override;
  [[nodiscard]] bool output_is_finite() override;
  [[nodiscard]] std::string description() const override;

  // For a loop over whole steps: the windows that the kernels read and write, and the work between them.
  [[nodiscard]] std::int64_t samples() const { return samples_; }
  /// Null: no sample is read, no loss computed.
  [[nodiscard]] MappedValues<std::int64_t>* indices() { return indices_.get(); }
  [[nodiscard]] MappedValues<LossSlot>* losses() { return losses_.get(); }
  /// Throws when an index lies outside the data set or leads to a label that is no class.
  void check_samples(std::span<const std::int64_t> indices) const;
  void enqueue_forward(DeviceStream& stream);
  void enqueue_backward(bool accumulate, DeviceStream& stream);

 private:
  bool all_finite(const Activation& activation);

  Device& device_;
  CompileOptions options_;
  const DataBinding& data_;
  std::int64_t samples_ = 0;
  std::int64_t sample_elements_ = 0;  ///< of an image; 0 without a gather
  std::int64_t classes_ = 0;          ///< 0 without a loss
  std::shared_ptr<const ResidentData> resident_;
  std::unique_ptr<MappedValues<std::int64_t>> indices_;
  std::unique_ptr<MappedValues<float>> pixel_table_;
  std::unique_ptr<MappedValues<LossSlot>> losses_;
  std::unique_ptr<MappedValues<std::int32_t>> finite_;
  Activation input_;
  StageContext stage_;
  std::vector<std::unique_ptr<Step>> steps_;
  DeviceStream* last_stream_ = nullptr;  ///< of the last run(): the host's questions are asked behind it
};

}  // namespace dml::DML_DEVICE
