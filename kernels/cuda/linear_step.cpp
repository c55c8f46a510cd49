// Linear layers, with the ReLU that follows them.
#include "kernels/cuda/linear.h"
#include "kernels/cuda/step.h"

namespace dml::DML_DEVICE {
namespace {

class LinearStep final : public Step {
 public:
  LinearStep(std::span<const Operation> claimed, StageContext& stage)
      : Step(claimed.front(), claimed.size() > 1 ? "linear + relu" : "linear",
             stage.allocate_activation(std::get<Linear>(claimed.front().work).shape.output_elements(), true,
                                       claimed.front().layer)),
        stage_(stage),
        linear_(std::get<Linear>(claimed.front().work)),
        x_(stage.last),
        relu_(claimed.size() > 1) {
    stage.reserve_workspace(linear_forward_workspace(linear_.shape));
    if (stage.options.training) {
      stage.reserve_workspace(linear_weight_gradient_workspace(linear_.shape));
      stage.reserve_workspace(linear_input_gradient_workspace(linear_.shape));
    }
    stage.last = output();
  }

  void forward(DeviceStream& stream) override {
    linear_forward(linear_.shape, x_.values, stage_.parameter(linear_.weight_offset),
                   stage_.parameter(linear_.bias_offset), output().values, relu_, stage_.workspace, stream);
  }

  void backward(bool accumulate, DeviceStream& stream) override {
    const float* const y = relu_ ? output().values : nullptr;
    linear_weight_gradient(
        linear_.shape, x_.values, output().gradient, y, stage_.parameter_gradient(linear_.weight_offset),
        stage_.parameter_gradient(linear_.bias_offset), accumulate, stage_.workspace, stream);
    if (x_.gradient == nullptr) return;
    linear_input_gradient(linear_.shape, output().gradient, y, stage_.parameter(linear_.weight_offset),
                          x_.gradient, stage_.workspace, stream);
  }

 private:
  StageContext& stage_;
  Linear linear_;
  Activation x_;
  bool relu_;
};

}  // namespace

StageCandidate linear_layer() {
  return {"linear",
          [](std::span<const Operation> operations) -> std::size_t {
            const auto* const linear = std::get_if<Linear>(&operations.front().work);
            if (linear == nullptr || !linear_broken_rule(linear->shape).empty()) return 0;
            return operations.size() > 1 && std::holds_alternative<Relu>(operations[1].work) ? 2 : 1;
          },
          [](std::span<const Operation> claimed, StageContext& stage) -> std::unique_ptr<Step> {
            return std::make_unique<LinearStep>(claimed, stage);
          },
          Origin::custom,
          [](const Operation& operation) -> std::string {
            const auto* const linear = std::get_if<Linear>(&operation.work);
            return linear == nullptr ? "" : linear_broken_rule(linear->shape);
          }};
}

}  // namespace dml::DML_DEVICE
