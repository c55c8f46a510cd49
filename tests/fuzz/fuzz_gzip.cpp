// Gzip streams: the content must not depend on the pieces it is read in, nor the verdict.
#include <algorithm>

#include "engine/data/gzip.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

constexpr std::size_t kMaxContentBytes = std::size_t{1} << 18U;

struct Outcome {
  std::vector<std::uint8_t> content;
  bool damaged = false;
};

/// Reads up to kMaxContentBytes in pieces of `piece_bytes`, and once more after the end.
Outcome unpack(std::span<const std::uint8_t> bytes, std::size_t piece_bytes) {
  Outcome outcome{{}, true};
  dml::fuzz::parse_foreign_bytes("input", [&] {
    dml::GzipReader reader(bytes, "input");
    std::vector<std::uint8_t> piece(piece_bytes);
    std::size_t got = piece_bytes;
    while (got == piece_bytes && outcome.content.size() < kMaxContentBytes) {
      got = reader.read(piece);
      outcome.content.insert(outcome.content.end(), piece.begin(),
                             piece.begin() + static_cast<std::ptrdiff_t>(got));
    }
    if (got < piece_bytes) dml::fuzz::require(reader.read(piece) == 0, "nothing comes after the end");
    outcome.damaged = false;
  });
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> bytes(data, size);
  const Outcome whole = unpack(bytes, kMaxContentBytes);
  dml::fuzz::require(whole.content.size() <= size * dml::kMaxDeflateRatio,
                     "no stream beats the deflate ratio");
  if (whole.content.size() >= kMaxContentBytes) return 0;  // cut off, at another place than in pieces

  constexpr std::size_t kPieceBytes = 13;
  const Outcome pieces = unpack(bytes, kPieceBytes);
  dml::fuzz::require(whole.damaged == pieces.damaged, "the verdict does not depend on the pieces");
  if (!whole.damaged) {
    dml::fuzz::require(whole.content == pieces.content, "the content does not depend on the pieces");
  }
  return 0;
}
