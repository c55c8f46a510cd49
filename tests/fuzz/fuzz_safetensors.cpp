// Safetensors files, as they are and with the length of the header made right.
#include <algorithm>

#include "engine/run/safetensors.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

void check(std::span<const std::uint8_t> bytes) {
  dml::fuzz::parse_foreign_bytes("input", [&] {
    const dml::SafetensorsFile file = dml::parse_safetensors(bytes, "input");
    std::vector<std::uint8_t> data;
    for (const dml::NamedTensor& tensor : file.tensors) {
      dml::fuzz::require(file.find(tensor.name) == &tensor, "names are unique");
      const auto* const values = static_cast<const std::uint8_t*>(tensor.values.data);
      data.insert(data.end(), values, values + tensor.values.bytes());
    }
    dml::fuzz::require(data.size() <= bytes.size() && std::equal(data.rbegin(), data.rend(), bytes.rbegin()),
                       "the tensors in order are the data of the file");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check({data, size});
  check(dml::fuzz::framed_safetensors({data, size}));
  return 0;
}
