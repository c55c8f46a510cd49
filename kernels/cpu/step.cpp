#include "kernels/cpu/step.h"

namespace dml::cpu {

Conversion::Conversion(StageContext& stage, const dnnl::memory& source, const dnnl::memory::desc& wanted)
    : result_(source), needed_(source.get_desc() != wanted) {
  if (!needed_) return;
  const Primitive copy = make_reorder(stage.onednn, source.get_desc(), wanted);
  result_ = allocate(stage.onednn, wanted);
  call_ = Call(copy, {{DNNL_ARG_FROM, source},
                      {DNNL_ARG_TO, result_},
                      {DNNL_ARG_SCRATCHPAD, stage.scratchpad.reserve(stage.onednn, copy.scratchpad)}});
}

void Conversion::run(const dnnl::stream& stream) const {
  if (needed_) call_.run(stream);
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
