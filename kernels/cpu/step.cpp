#include "kernels/cpu/step.h"

#include <algorithm>

#include "kernels/cpu/simd/kernels.h"
#include "kernels/cpu/threads.h"

namespace dml::cpu {

Conversion::Conversion(StageContext& stage, const dnnl::memory& source, const dnnl::memory::desc& wanted)
    : source_(source), result_(source) {
  const dnnl::memory::desc layout = source.get_desc();
  if (layout == wanted) return;
  result_ = allocate(stage.onednn, wanted);
  const dnnl::memory::dims dims = dims_of(wanted);
  if (dims.size() == 4 && layout == lanes_layout(dims) && wanted == plain_layout(dims)) {
    kind_ = Kind::to_plain;
  } else if (dims.size() == 4 && layout == plain_layout(dims) && wanted == lanes_layout(dims)) {
    kind_ = Kind::to_lanes;
  } else {
    kind_ = Kind::reorder;
    const Primitive copy = make_reorder(stage.onednn, layout, wanted);
    call_ = Call(copy, {{DNNL_ARG_FROM, source},
                        {DNNL_ARG_TO, result_},
                        {DNNL_ARG_SCRATCHPAD, stage.scratchpad.reserve(stage.onednn, copy.scratchpad)}});
  }
  if (kind_ != Kind::reorder) samples_ = dims.front();
}

void Conversion::run(const dnnl::stream& stream) const {
  if (kind_ == Kind::reorder) {
    call_.run(stream);
  } else if (kind_ != Kind::nothing) {
    transpose();
  }
}

void Conversion::transpose() const {
  const bool to_plain = kind_ == Kind::to_plain;
  const std::int64_t elements = float_count(to_plain ? result_ : source_) / samples_;  // of a sample
  const std::int64_t blocks = (samples_ + kSamplesPerBlock - 1) / kSamplesPerBlock;
  const SimdKernels& kernels = simd_kernels();
  parallel_items(blocks, float_count(result_) > kWorthATeam, [&](std::int64_t block, int /*worker*/) {
    const std::int64_t first = block * kSamplesPerBlock * elements;
    const std::int64_t samples = std::min(kSamplesPerBlock, samples_ - block * kSamplesPerBlock);
    const auto kernel = to_plain ? kernels.lanes_to_plain : kernels.plain_to_lanes;
    kernel(floats(source_) + first, samples, elements, floats(result_) + first);
  });
}

GradientSink::GradientSink(StageContext& stage, std::int64_t offset, const dnnl::memory::desc& layout) {
  const dnnl::memory::desc canonical_layout = plain_layout(dims_of(layout));
  const auto elements = static_cast<std::int64_t>(canonical_layout.get_size() / sizeof(float));
  arena_ = stage.parameters.gradients.slice(offset, elements).as<float>();
  const dnnl::memory arena = wrap(stage.onednn, canonical_layout, arena_.data());
  is_canonical_ = canonical_layout == layout;
  staging_ = allocate(stage.onednn, layout);
  if (is_canonical_) {
    direct_ = arena;
    canonical_ = staging_;
  } else {
    direct_ = staging_;
    canonical_ = allocate(stage.onednn, canonical_layout);
    const Primitive unpack = make_reorder(stage.onednn, layout, canonical_layout);
    const dnnl::memory scratch = stage.scratchpad.reserve(stage.onednn, unpack.scratchpad);
    unpack_to_arena_ =
        Call(unpack, {{DNNL_ARG_FROM, staging_}, {DNNL_ARG_TO, arena}, {DNNL_ARG_SCRATCHPAD, scratch}});
    unpack_ =
        Call(unpack, {{DNNL_ARG_FROM, staging_}, {DNNL_ARG_TO, canonical_}, {DNNL_ARG_SCRATCHPAD, scratch}});
  }
  addend_ = {floats(canonical_), arena_.size()};
}

void GradientSink::deliver(bool accumulate, const dnnl::stream& stream) const {
  if (!accumulate) {
    if (!is_canonical_) unpack_to_arena_.run(stream);
    return;
  }
  if (!is_canonical_) unpack_.run(stream);
  for (std::size_t i = 0; i < arena_.size(); ++i) arena_[i] += addend_[i];
}

}  // namespace dml::cpu
