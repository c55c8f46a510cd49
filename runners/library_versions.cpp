#include "runners/library_versions.h"

#include <gloo/config.h>
#include <grpcpp/grpcpp.h>
#include <oneapi/dnnl/dnnl.hpp>
#include <zlib.h>

namespace dml {
namespace {

std::string dotted(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

}  // namespace

std::vector<LibraryVersion> library_versions() {
  const dnnl_version_t* onednn = dnnl_version();
  return {
      {"oneDNN", dotted(onednn->major, onednn->minor, onednn->patch), "computes on the CPU"},
      {"Gloo", dotted(GLOO_VERSION_MAJOR, GLOO_VERSION_MINOR, GLOO_VERSION_PATCH),
       "moves data between CPU ranks"},
      {"gRPC", grpc::Version(), "rendezvous of ranks that a launcher started"},
      {"zlib", zlibVersion(), "reads .gz data sets"},
  };
}

std::string onednn_instruction_set() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
    default:
      return "generic";
  }
}

std::string cuda_toolkit_version() {
  return DML_CUDA_TOOLKIT_VERSION;
}

}  // namespace dml
