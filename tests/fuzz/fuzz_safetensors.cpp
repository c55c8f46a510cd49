// Safetensors files, as they are and with the length of the header made right. What loads must survive being
// written and read again.
#include <algorithm>

#include "engine/run/safetensors.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

bool same_tensors(const dml::SafetensorsFile& left, const dml::SafetensorsFile& right) {
  // By name, because tensors without values have no order in the data.
  return left.tensors.size() == right.tensors.size() &&
         std::all_of(left.tensors.begin(), left.tensors.end(), [&](const dml::NamedTensor& tensor) {
           const dml::NamedTensor* other = right.find(tensor.name);
           const std::size_t bytes = tensor.values.bytes();
           return other != nullptr && other->shape == tensor.shape &&
                  other->values.dtype == tensor.values.dtype && other->values.bytes() == bytes &&
                  (bytes == 0 || std::memcmp(other->values.data, tensor.values.data, bytes) == 0);
         });
}

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

    const std::string path = dml::fuzz::scratch_path();
    dml::write_safetensors(path, file.tensors, file.metadata);
    const dml::SafetensorsFile again = dml::read_safetensors(path);
    ::unlink(path.c_str());
    dml::fuzz::require(again.metadata == file.metadata && same_tensors(again, file),
                       "a round trip changes nothing");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check({data, size});
  check(dml::fuzz::framed_safetensors({data, size}));
  return 0;
}
