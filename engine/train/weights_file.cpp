#include "engine/train/weights_file.h"

#include <algorithm>
#include <vector>

#include "engine/run/safetensors.h"

namespace dml {
namespace {

template <class From, class To>
void convert_values(View from, View to) {
  const std::span<From> values = from.as<From>();
  std::transform(values.begin(), values.end(), to.as<To>().begin(),
                 [](From v) { return static_cast<To>(v); });
}

/// The tensors of `file` with f32 and f64 exchanged where they differ from `wanted`.
std::vector<NamedTensor> converted(const SafetensorsFile& file, DType wanted,
                                   std::vector<HostBuffer>& storage) {
  std::vector<NamedTensor> tensors = file.tensors;
  for (NamedTensor& tensor : tensors) {
    const DType stored = tensor.values.dtype;
    const bool is_real = stored == DType::f32 || stored == DType::f64;
    if (stored == wanted || !is_real) continue;
    storage.emplace_back(tensor.values.elements, wanted);
    if (wanted == DType::f64) {
      convert_values<float, double>(tensor.values, storage.back().view());
    } else {
      convert_values<double, float>(tensor.values, storage.back().view());
    }
    tensor.values = storage.back().view();
  }
  return tensors;
}

}  // namespace

void load_weights(Session& session, const std::string& path) {
  if (session.rank() == 0) {
    const SafetensorsFile file = read_safetensors(path);
    std::vector<HostBuffer> storage;
    copy_tensors(converted(file, session.parameter_arena().dtype, storage), session.weights(), path);
  }
  session.broadcast_parameters();
}

void save_weights(Session& session, const std::string& path) {
  write_safetensors(path, session.weights(), {{"model", session.model().name}, {"format", "pt"}});
}

}  // namespace dml
