// IDX files, as images and as labels, plain and inside a correct gzip stream.
#include "engine/data/idx.h"
#include "tests/data/bytes.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

void check(std::span<const std::uint8_t> bytes, int dimensions) {
  dml::fuzz::parse_foreign_bytes("input", [&] {
    const dml::IdxArray array = dml::parse_idx(bytes, "input", dimensions);
    std::int64_t values = 1;
    for (const std::int64_t size : array.shape) {
      dml::fuzz::require(size > 0, "sizes are positive");
      values *= size;
    }
    dml::fuzz::require(array.shape.size() == static_cast<std::size_t>(dimensions),
                       "the dimensions are as asked for");
    dml::fuzz::require(array.values.size() == static_cast<std::size_t>(values), "the values fill the shape");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> compressed = dml::testing::gzip({data, data + size});
  for (const int dimensions : {1, 3}) {
    check({data, size}, dimensions);
    check(compressed, dimensions);
  }
  return 0;
}
