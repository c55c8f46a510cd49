// The part of oneDNN the engine uses, and the only place that knows which major version it is.
//
// oneDNN 2 describes an operation first (operation descriptor) and then a primitive; oneDNN 3 does both at
// once. The functions below hide that: each picks an implementation for a shape and returns the primitive
// with the layouts it wants. A port to another version changes onednn.cpp alone. Scratch memory is the
// caller's (Scratchpad): oneDNN's own is per thread and grows behind our back.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/shapes.h"

namespace dml::cpu {

/// The engine and the in-order stream all primitives of one backend run on.
struct Onednn {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

/// A primitive and the layouts it was built for; descriptors it has no use for are empty.
struct Primitive {
  dnnl::primitive primitive;
  dnnl::memory::desc source, weights, destination, scratchpad;
  std::string implementation;  ///< oneDNN's own name of what it chose: "jit:avx512_core"
};

/// Layouts of sources, weights and destinations are left to oneDNN; biases are plain.
Primitive make_forward(const Onednn& onednn, const ConvolutionShape& shape, bool training);
/// source is d(loss)/d(x), destination is d(loss)/d(y).
Primitive make_backward_data(const Onednn& onednn, const ConvolutionShape& shape);
/// weights is d(loss)/d(w).
Primitive make_backward_weights(const Onednn& onednn, const ConvolutionShape& shape);

/// All layouts are plain and row-major: repacking weights costs more than it gains at the batch sizes of
/// training.
Primitive make_forward(const Onednn& onednn, const LinearShape& shape, bool training);
Primitive make_backward_data(const Onednn& onednn, const LinearShape& shape);
Primitive make_backward_weights(const Onednn& onednn, const LinearShape& shape);

/// Copies between two layouts of the same dimensions.
Primitive make_reorder(const Onednn& onednn, const dnnl::memory::desc& from, const dnnl::memory::desc& to);

/// Row-major f32 of these dimensions.
dnnl::memory::desc plain_layout(const dnnl::memory::dims& dims);
/// (N,C,H,W) as [N/16][C][H][W][16]: sixteen samples side by side, the last ones missing where 16 does not
/// divide N.
dnnl::memory::desc lanes_layout(const dnnl::memory::dims& dims);
dnnl::memory::desc strided_layout(const dnnl::memory::dims& dims, const dnnl::memory::dims& strides);
dnnl::memory::dims dims_of(const dnnl::memory::desc& layout);

/// A 4-d activation as its planes lie in memory: `outer` planes of H x W points of `inner` adjacent channels.
/// Holds for NCHW (inner 1), NHWC (inner C), blocked channels (inner 4, 8 or 16) and blocked samples (inner
/// 16).
struct PlaneLayout {
  std::int64_t outer = 0, H = 0, W = 0, inner = 0;
};
/// False when the layout is none of those; then `planes` is left alone.
bool find_plane_layout(const dnnl::memory::desc& layout, PlaneLayout* planes);
/// The layout of a 4-d activation of other H and W that has the same order as `like`.
dnnl::memory::desc same_order(const dnnl::memory::desc& like, const dnnl::memory::dims& dims);

/// Memory of this layout, zero-filled.
dnnl::memory allocate(const Onednn& onednn, const dnnl::memory::desc& layout);
/// The same bytes under another layout.
dnnl::memory reinterpret(const dnnl::memory& memory, const dnnl::memory::desc& layout);
dnnl::memory wrap(const Onednn& onednn, const dnnl::memory::desc& layout, void* data);

/// One scratch buffer, as large as the neediest primitive of an executable; primitives run one after another.
class Scratchpad {
 public:
  /// A memory to pass as scratchpad; usable after allocate().
  dnnl::memory reserve(const Onednn& onednn, const dnnl::memory::desc& layout);
  void allocate_all(const Onednn& onednn);

 private:
  std::vector<dnnl::memory> users_;
  dnnl::memory storage_;
};

/// A primitive with its arguments, bound once and run many times.
class Call {
 public:
  Call() = default;
  Call(const Primitive& primitive, std::initializer_list<std::pair<int, dnnl::memory>> arguments);
  void run(const dnnl::stream& stream) const;

 private:
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> kept_;  ///< owns what arguments_ point to
  std::vector<dnnl_exec_arg_t> arguments_;
};

}  // namespace dml::cpu
