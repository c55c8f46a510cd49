#include "kernels/cuda/device_executable.h"

#include <array>

#include "kernels/base/error.h"
#include "kernels/cuda/pointwise.h"

namespace dml::DML_DEVICE {
namespace {

/// The normalised value of each pixel value, computed in double and rounded once.
void fill_pixel_table(const GatherNormalize& gather, std::span<float> table) {
  for (std::size_t pixel = 0; pixel < table.size(); ++pixel) {
    table[pixel] = static_cast<float>((static_cast<double>(pixel) / 255.0 - gather.mean) / gather.stddev);
  }
}

}  // namespace

DeviceExecutable::DeviceExecutable(Device& device, std::span<const Operation> operations,
                                   ParameterBinding& parameters, const DataBinding& data,
                                   const CompileOptions& options, const std::int32_t* cursor)
    : device_(device),
      options_(options),
      data_(data),
      samples_(sample_count(operations)),
      stage_{.device = device_, .parameters = parameters, .options = options_, .gathered = {}} {
  DML_ASSERT(parameters.values.dtype == DType::f32 && parameters.values.memory == Memory::device,
             "a device computes with fp32 parameters in its own memory");
  const auto* const gather_work = std::get_if<GatherNormalize>(&operations.front().work);
  const auto* const loss_work = std::get_if<SoftmaxCrossEntropy>(&operations.back().work);
  DeviceStream setup(device_);
  finite_ = std::make_unique<MappedValues<std::int32_t>>(device_, 1, "a flag");
  if (gather_work != nullptr || loss_work != nullptr) {
    resident_ = ResidentData::of(data, device_);
    indices_ =
        std::make_unique<MappedValues<std::int64_t>>(device_, samples_ * options.window, "sample indices");
    stage_.gathered.samples = {indices_->on_device(), cursor};
  }
  if (gather_work != nullptr) {
    sample_elements_ = gather_work->sample_elements();
    pixel_table_ = std::make_unique<MappedValues<float>>(device_, 256, "the table of pixel values");
    fill_pixel_table(*gather_work, pixel_table_->host());
    pixel_table_->upload(setup);
    stage_.gathered.images = resident_->image_bytes();
    stage_.gathered.table = pixel_table_->on_device();
  } else {
    input_ = stage_.allocate_activation(input_elements(operations.front()), options.input_gradient,
                                        "the stage's input");
  }
  if (loss_work != nullptr) {
    classes_ = loss_work->K;
    losses_ = std::make_unique<MappedValues<LossSlot>>(device_, options.window, "the losses");
    stage_.labels = resident_->label_bytes();
    stage_.loss = losses_->on_device();
  }
  stage_.last = input_;
  const std::array candidates = {gathered_window_convolution(),
                                 window_convolution(),
                                 gathered_direct_convolution(),
                                 direct_convolution(),
                                 tiled_convolution(),
                                 linear_layer(),
                                 gather(),
                                 relu(),
                                 max_pool(),
                                 dml::DML_DEVICE::loss()};
  steps_ = lower<StageContext>(operations, candidates, stage_, options.kernels);
  stage_.workspace = stage_.allocate<float>(stage_.workspace_elements, "scratch memory");
  setup.synchronize();
}

std::span<std::int64_t> DeviceExecutable::sample_indices() {
  return indices_ ? indices_->host().first(static_cast<std::size_t>(samples_)) : std::span<std::int64_t>();
}

View DeviceExecutable::output_gradient() {
  return losses_ ? View{.dtype = DType::f32} : stage_.last.gradient_view();
}

void DeviceExecutable::run(Phase phase, Stream& stream) {
  last_stream_ = &static_cast<DeviceStream&>(stream);
  if (phase == Phase::forward) {
    if (indices_) {
      check_samples(sample_indices());
      indices_->upload(*last_stream_, static_cast<std::size_t>(samples_));
    }
    enqueue_forward(*last_stream_);
    if (losses_) losses_->download(*last_stream_, 1);
    return;
  }
  DML_ASSERT(options_.training, "a stage compiled for inference keeps nothing for a backward pass");
  enqueue_backward(phase == Phase::backward_accumulate, *last_stream_);
}

void DeviceExecutable::enqueue_forward(DeviceStream& stream) {
  for (const auto& step : steps_) step->forward(stream);
}

void DeviceExecutable::enqueue_backward(bool accumulate, DeviceStream& stream) {
  for (std::size_t i = steps_.size(); i-- > 0;) steps_[i]->backward(accumulate, stream);
}

/// A kernel would read outside the data set, or count a label among the classes that is none.
void DeviceExecutable::check_samples(std::span<const std::int64_t> indices) const {
  const auto labels = static_cast<std::int64_t>(data_.labels.size());
  const std::int64_t samples =
      sample_elements_ > 0 ? static_cast<std::int64_t>(data_.images.size()) / sample_elements_ : labels;
  for (const std::int64_t index : indices) {
    DML_ASSERT(index >= 0 && index < samples && (classes_ == 0 || index < labels),
               "sample index " + std::to_string(index) + " of a data set of " + std::to_string(samples) +
                   " samples");
    if (classes_ == 0) continue;
    const std::int64_t label = data_.labels[static_cast<std::size_t>(index)];
    DML_ASSERT(label < classes_, "label " + std::to_string(label) + " of sample " + std::to_string(index) +
                                     ", but the model has " + std::to_string(classes_) + " classes");
  }
}

LossResult DeviceExecutable::loss() {
  DML_ASSERT(losses_ != nullptr, "a stage without a loss was asked for it");
  const LossSlot& slot = losses_->host()[0];
  return {slot.loss_sum, slot.correct};
}

bool DeviceExecutable::all_finite(const Activation& activation) {
  DML_ASSERT(last_stream_ != nullptr, "nothing has run yet");
  check_finite(activation.elements, activation.values, finite_->on_device(), *last_stream_);
  finite_->download(*last_stream_);
  return finite_->host()[0] != 0;
}

std::string DeviceExecutable::first_non_finite_layer() {
  for (const auto& step : steps_) {
    if (!all_finite(step->output())) return step->layer();
  }
  return {};
}

bool DeviceExecutable::output_is_finite() {
  return all_finite(stage_.last);
}

std::string DeviceExecutable::description() const {
  std::string lines;
  for (const auto& step : steps_) lines += step->layer() + ": " + step->description() + "\n";
  return lines;
}

}  // namespace dml::DML_DEVICE
