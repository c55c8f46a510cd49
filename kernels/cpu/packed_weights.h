// Copies of canonical weights in the layouts that primitives want, shared by all executables of a binding.
//
// A copy is named by the offset of the weights in the arena and its layout: stages compiled for different
// batch sizes, or forward and backward of one layer, share it when they want the same. It is packed again the
// first time it is used after ParameterBinding::version has moved.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/base/backend.h"
#include "kernels/cpu/onednn.h"

namespace dml::cpu {

/// One packed copy. Where the wanted layout is the canonical one it is the arena itself and never goes stale.
class PackedWeight {
 public:
  PackedWeight(const Onednn& onednn, std::int64_t offset, const dnnl::memory& canonical,
               const dnnl::memory::desc& layout);

  [[nodiscard]] bool holds(std::int64_t offset, const dnnl::memory::desc& layout) const {
    return offset_ == offset && memory_.get_desc() == layout;
  }
  [[nodiscard]] const dnnl::memory& memory() const { return memory_; }
  [[nodiscard]] std::int64_t times_packed() const { return times_packed_; }
  /// Brings the copy up to `version` of the parameters.
  void refresh(std::uint64_t version, const dnnl::stream& stream);

 private:
  std::int64_t offset_;
  dnnl::memory memory_;
  Scratchpad scratchpad_;
  Call pack_;
  bool is_canonical_;
  std::uint64_t packed_version_ = 0;
  std::int64_t times_packed_ = 0;
};

/// All packed copies of one ParameterBinding; lives in ParameterBinding::packed.
class PackedWeights {
 public:
  /// The cache of this binding, created on first use.
  static std::shared_ptr<PackedWeights> of(ParameterBinding& parameters);

  /// The copy of the weights at `offset` (with dimensions of `layout`) in that layout.
  std::shared_ptr<PackedWeight> get(const Onednn& onednn, const ParameterBinding& parameters,
                                    std::int64_t offset, const dnnl::memory::desc& layout);
  [[nodiscard]] std::size_t size() const { return copies_.size(); }
  /// Packings done so far over all copies.
  [[nodiscard]] std::int64_t times_packed() const;

 private:
  std::vector<std::shared_ptr<PackedWeight>> copies_;
};

}  // namespace dml::cpu
