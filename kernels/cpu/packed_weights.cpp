#include "kernels/cpu/packed_weights.h"

#include <algorithm>
#include <numeric>

namespace dml::cpu {

PackedWeight::PackedWeight(const Onednn& onednn, std::int64_t offset, const dnnl::memory& canonical,
                           const dnnl::memory::desc& layout)
    : offset_(offset), is_canonical_(canonical.get_desc() == layout) {
  if (is_canonical_) {
    memory_ = canonical;
    return;
  }
  memory_ = allocate(onednn, layout);
  const Primitive pack = make_reorder(onednn, canonical.get_desc(), layout);
  pack_ = Call(pack, {{DNNL_ARG_FROM, canonical},
                      {DNNL_ARG_TO, memory_},
                      {DNNL_ARG_SCRATCHPAD, scratchpad_.reserve(onednn, pack.scratchpad)}});
  scratchpad_.allocate_all(onednn);
}

void PackedWeight::refresh(std::uint64_t version, const dnnl::stream& stream) {
  if (is_canonical_ || packed_version_ == version) return;
  pack_.run(stream);
  packed_version_ = version;
  ++times_packed_;
}

std::shared_ptr<PackedWeights> PackedWeights::of(ParameterBinding& parameters) {
  if (!parameters.packed) parameters.packed = std::make_shared<PackedWeights>();
  return std::static_pointer_cast<PackedWeights>(parameters.packed);
}

std::shared_ptr<PackedWeight> PackedWeights::get(const Onednn& onednn, const ParameterBinding& parameters,
                                                 std::int64_t offset, const dnnl::memory::desc& layout) {
  const auto found = std::find_if(copies_.begin(), copies_.end(),
                                  [&](const auto& copy) { return copy->holds(offset, layout); });
  if (found != copies_.end()) return *found;
  const dnnl::memory::desc canonical = plain_layout(dims_of(layout));
  const auto elements = static_cast<std::int64_t>(canonical.get_size() / sizeof(float));
  float* const values = parameters.values.slice(offset, elements).as<float>().data();
  copies_.push_back(std::make_shared<PackedWeight>(onednn, offset, wrap(onednn, canonical, values), layout));
  return copies_.back();
}

std::int64_t PackedWeights::times_packed() const {
  return std::accumulate(copies_.begin(), copies_.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& copy) { return sum + copy->times_packed(); });
}

}  // namespace dml::cpu
