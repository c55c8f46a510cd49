#include "kernels/cpu/onednn.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/base/error.h"

#if DNNL_VERSION_MAJOR != 2
#error "This file speaks oneDNN 2 (operation descriptors); write its twin for the version that is installed."
#endif

namespace dml::cpu {
namespace {

using dnnl::memory;
constexpr auto kF32 = memory::data_type::f32;

memory::desc any_layout(const memory::dims& dims) {
  return {dims, kF32, memory::format_tag::any};
}

dnnl::primitive_attr caller_owns_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

dnnl::prop_kind forward_kind(bool training) {
  return training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
}

/// A convolution in oneDNN's words.
struct ConvolutionTerms {
  explicit ConvolutionTerms(const ConvolutionShape& s)
      : source{s.N, s.C, s.H, s.W},
        weights{s.K, s.C, s.R, s.S},
        bias{s.K},
        destination{s.N, s.K, s.P(), s.Q()},
        strides{s.stride, s.stride},
        dilates{s.dilation - 1, s.dilation - 1},
        padding{s.padding, s.padding} {}
  memory::dims source, weights, bias, destination, strides, dilates, padding;
};

dnnl::convolution_forward::primitive_desc describe_forward(const Onednn& onednn, const ConvolutionTerms& t,
                                                           dnnl::prop_kind kind) {
  return {{kind, dnnl::algorithm::convolution_direct, any_layout(t.source), any_layout(t.weights),
           plain_layout(t.bias), any_layout(t.destination), t.strides, t.dilates, t.padding, t.padding},
          caller_owns_scratchpad(),
          onednn.engine};
}

/// A linear layer in oneDNN's words.
struct LinearTerms {
  explicit LinearTerms(const LinearShape& s)
      : source(plain_layout({s.N, s.C})),
        weights(plain_layout({s.K, s.C})),
        bias(plain_layout({s.K})),
        destination(plain_layout({s.N, s.K})) {}
  memory::desc source, weights, bias, destination;
};

dnnl::inner_product_forward::primitive_desc describe_forward(const Onednn& onednn, const LinearTerms& t,
                                                             dnnl::prop_kind kind) {
  return {{kind, t.source, t.weights, t.bias, t.destination}, caller_owns_scratchpad(), onednn.engine};
}

}  // namespace

Primitive make_forward(const Onednn& onednn, const ConvolutionShape& shape, bool training) {
  const auto chosen = describe_forward(onednn, ConvolutionTerms(shape), forward_kind(training));
  return {dnnl::convolution_forward(chosen), chosen.src_desc(),     chosen.weights_desc(), chosen.dst_desc(),
          chosen.scratchpad_desc(),          chosen.impl_info_str()};
}

Primitive make_backward_data(const Onednn& onednn, const ConvolutionShape& shape) {
  const ConvolutionTerms t(shape);
  const dnnl::convolution_backward_data::primitive_desc chosen(
      {dnnl::algorithm::convolution_direct, any_layout(t.source), any_layout(t.weights),
       any_layout(t.destination), t.strides, t.dilates, t.padding, t.padding},
      caller_owns_scratchpad(), onednn.engine,
      describe_forward(onednn, t, dnnl::prop_kind::forward_training));
  return {dnnl::convolution_backward_data(chosen),
          chosen.diff_src_desc(),
          chosen.weights_desc(),
          chosen.diff_dst_desc(),
          chosen.scratchpad_desc(),
          chosen.impl_info_str()};
}

Primitive make_backward_weights(const Onednn& onednn, const ConvolutionShape& shape) {
  const ConvolutionTerms t(shape);
  const dnnl::convolution_backward_weights::primitive_desc chosen(
      {dnnl::algorithm::convolution_direct, any_layout(t.source), any_layout(t.weights), plain_layout(t.bias),
       any_layout(t.destination), t.strides, t.dilates, t.padding, t.padding},
      caller_owns_scratchpad(), onednn.engine,
      describe_forward(onednn, t, dnnl::prop_kind::forward_training));
  return {dnnl::convolution_backward_weights(chosen),
          chosen.src_desc(),
          chosen.diff_weights_desc(),
          chosen.diff_dst_desc(),
          chosen.scratchpad_desc(),
          chosen.impl_info_str()};
}

Primitive make_forward(const Onednn& onednn, const LinearShape& shape, bool training) {
  const auto chosen = describe_forward(onednn, LinearTerms(shape), forward_kind(training));
  return {dnnl::inner_product_forward(chosen),
          chosen.src_desc(),
          chosen.weights_desc(),
          chosen.dst_desc(),
          chosen.scratchpad_desc(),
          chosen.impl_info_str()};
}

Primitive make_backward_data(const Onednn& onednn, const LinearShape& shape) {
  const LinearTerms t(shape);
  const dnnl::inner_product_backward_data::primitive_desc chosen(
      {t.source, t.weights, t.destination}, caller_owns_scratchpad(), onednn.engine,
      describe_forward(onednn, t, dnnl::prop_kind::forward_training));
  return {dnnl::inner_product_backward_data(chosen),
          chosen.diff_src_desc(),
          chosen.weights_desc(),
          chosen.diff_dst_desc(),
          chosen.scratchpad_desc(),
          chosen.impl_info_str()};
}

Primitive make_backward_weights(const Onednn& onednn, const LinearShape& shape) {
  const LinearTerms t(shape);
  const dnnl::inner_product_backward_weights::primitive_desc chosen(
      {t.source, t.weights, t.bias, t.destination}, caller_owns_scratchpad(), onednn.engine,
      describe_forward(onednn, t, dnnl::prop_kind::forward_training));
  return {dnnl::inner_product_backward_weights(chosen),
          chosen.src_desc(),
          chosen.diff_weights_desc(),
          chosen.diff_dst_desc(),
          chosen.scratchpad_desc(),
          chosen.impl_info_str()};
}

Primitive make_reorder(const Onednn& onednn, const memory::desc& from, const memory::desc& to) {
  const dnnl::reorder::primitive_desc chosen(onednn.engine, from, onednn.engine, to,
                                             caller_owns_scratchpad());
  return {dnnl::reorder(chosen), from, {}, to, chosen.scratchpad_desc(), chosen.impl_info_str()};
}

memory::desc plain_layout(const memory::dims& dims) {
  memory::dims strides(dims.size(), 1);
  for (std::size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  return {dims, kF32, strides};
}

memory::desc lanes_layout(const memory::dims& dims) {
  return {dims, kF32, memory::format_tag::Abcd16a};
}

memory::desc strided_layout(const memory::dims& dims, const memory::dims& strides) {
  return {dims, kF32, strides};
}

memory::dims dims_of(const memory::desc& layout) {
  return layout.dims();
}

namespace {
using Tag = memory::format_tag;
/// Layouts with planes, and the channels (for Abcd16a: samples) adjacent in each; 0 stands for all channels.
constexpr std::array<std::pair<Tag, std::int64_t>, 6> kPlaneTags = {{{Tag::nchw, 1},
                                                                     {Tag::Abcd16a, 16},
                                                                     {Tag::nChw16c, 16},
                                                                     {Tag::nChw8c, 8},
                                                                     {Tag::nChw4c, 4},
                                                                     {Tag::nhwc, 0}}};

/// The entry of kPlaneTags that `layout` has, or null.
const std::pair<Tag, std::int64_t>* find_tag(const memory::desc& layout) {
  const memory::dims dims = layout.dims();
  if (dims.size() != 4) return nullptr;
  const auto* const found = std::find_if(kPlaneTags.begin(), kPlaneTags.end(), [&](const auto& candidate) {
    return layout == memory::desc(dims, kF32, candidate.first);
  });
  return found == kPlaneTags.end() ? nullptr : found;
}
}  // namespace

bool find_plane_layout(const memory::desc& layout, PlaneLayout* planes) {
  const auto* const tag = find_tag(layout);
  if (tag == nullptr) return false;
  const memory::dims dims = layout.dims();
  const std::int64_t inner = tag->second == 0 ? dims[1] : tag->second;
  const auto blocks = [inner](std::int64_t extent) { return (extent + inner - 1) / inner; };
  const std::int64_t outer =
      tag->first == Tag::Abcd16a ? blocks(dims[0]) * dims[1] : dims[0] * blocks(dims[1]);
  *planes = {outer, dims[2], dims[3], inner};
  return true;
}

memory::desc same_order(const memory::desc& like, const memory::dims& dims) {
  const auto* const tag = find_tag(like);
  DML_ASSERT(tag != nullptr, "an activation in a layout that has no planes");
  return {dims, kF32, tag->first};
}

memory allocate(const Onednn& onednn, const memory::desc& layout) {
  memory result(layout, onednn.engine);
  if (layout.get_size() > 0) std::memset(result.get_data_handle(), 0, layout.get_size());
  return result;
}

memory reinterpret(const memory& source, const memory::desc& layout) {
  return {layout, source.get_engine(), source.get_data_handle()};
}

memory wrap(const Onednn& onednn, const memory::desc& layout, void* data) {
  return {layout, onednn.engine, data};
}

memory Scratchpad::reserve(const Onednn& onednn, const memory::desc& layout) {
  users_.push_back(wrap(onednn, layout, nullptr));  // allocate_all() gives it its memory
  return users_.back();
}

void Scratchpad::allocate_all(const Onednn& onednn) {
  std::size_t largest_bytes = 0;
  for (const memory& user : users_) largest_bytes = std::max(largest_bytes, user.get_desc().get_size());
  if (largest_bytes == 0) return;
  storage_ =
      memory({{static_cast<memory::dim>(largest_bytes)}, memory::data_type::u8, Tag::a}, onednn.engine);
  for (memory& user : users_) user.set_data_handle(storage_.get_data_handle());
}

Call::Call(const Primitive& primitive, std::initializer_list<std::pair<int, memory>> arguments)
    : primitive_(primitive.primitive) {
  for (const auto& [index, value] : arguments) {
    kept_.push_back(value);
    arguments_.push_back({index, value.get()});
  }
}

void Call::run(const dnnl::stream& stream) const {
  dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), stream.get(),
                                                 static_cast<int>(arguments_.size()), arguments_.data()),
                          "a oneDNN primitive failed to run");
}

}  // namespace dml::cpu
