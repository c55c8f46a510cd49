// SGD and Adam over a range of the arena on a device: one launch an update.
#pragma once

#include <memory>
#include <span>

#include "kernels/base/backend.h"
#include "kernels/cuda/mapped_values.h"
#include "kernels/cuda/optimizer_kernels.h"

namespace dml::DML_DEVICE {

class DeviceOptimizer final : public Optimizer {
 public:
  /// `window`: for how many updates upload() may be asked at once. `cursor`, on the device, is 0 but for the
  /// inside of a loop.
  DeviceOptimizer(Device& device, const OptimizerOptions& options, ParameterBinding& parameters, View state,
                  std::int64_t first, std::int64_t count, std::int64_t window, const std::int32_t* cursor);

  void run(const StepState& state, Stream& stream) override;

  // For a loop over whole steps: the scalars of several updates, and an update that looks up its own.
  void upload(std::span<const StepState> steps, DeviceStream& stream);
  /// Updates from the scalars at place *cursor.
  void enqueue_update(DeviceStream& stream);
  void parameters_changed(std::size_t updates) { parameters_.version += updates; }

 private:
  [[nodiscard]] StepScalars scalars(const StepState& state) const;

  OptimizerOptions options_;
  ParameterBinding& parameters_;
  OptimizerProblem problem_;
  MappedValues<StepScalars> steps_;
};

}  // namespace dml::DML_DEVICE
