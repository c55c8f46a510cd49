// The libraries this program runs on, as they report themselves.
#pragma once

#include <string>
#include <vector>

namespace dml {

struct LibraryVersion {
  std::string name;
  std::string version;
  std::string role;  ///< what the engine uses it for
};

std::vector<LibraryVersion> library_versions();

/// The widest vector instructions oneDNN will use here, "avx512_core".
std::string onednn_instruction_set();

/// Version of the CUDA toolkit found when the build was configured; empty when there was none.
std::string cuda_toolkit_version();

}  // namespace dml
