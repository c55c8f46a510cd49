#include "engine/data/gzip.h"

#include "tests/data/test_files.h"

namespace dml {
namespace {

using testing::Bytes;
using testing::expect_error;
using testing::gzip;
using testing::joined;

/// Everything the stream holds, taken in pieces of `piece` bytes.
Bytes unpack(const Bytes& compressed, std::size_t piece = 1000) {
  GzipReader reader(compressed, "f.gz");
  Bytes content;
  Bytes buffer(piece);
  while (true) {
    const std::size_t got = reader.read(buffer);
    content.insert(content.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got));
    if (got < piece) return content;
  }
}

Bytes counting_bytes(std::size_t count) {
  Bytes bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::uint8_t>(i * i / 7);
  return bytes;
}

TEST(Gzip, ContentComesBackWhateverThePieces) {
  const Bytes content = counting_bytes(5000);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{5000}, std::size_t{100000}}) {
    EXPECT_EQ(unpack(gzip(content), piece), content) << piece;
  }
}

TEST(Gzip, EmptyContent) {
  EXPECT_TRUE(unpack(gzip({})).empty());
}

TEST(Gzip, ConcatenatedMembersAreOneContent) {
  const Bytes a = counting_bytes(100);
  const Bytes b = counting_bytes(3000);
  EXPECT_EQ(unpack(joined(gzip(a), gzip({}), gzip(b))), joined(a, b));
}

TEST(Gzip, EveryTruncationIsFound) {
  const Bytes whole = gzip(counting_bytes(300));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    expect_error<DataError>([&] { unpack(part); }, {"f.gz", "truncated", "download or copy the file again"});
  }
}

TEST(Gzip, ATruncatedSecondMemberIsFound) {
  Bytes bytes = joined(gzip({1, 2, 3}), gzip({4, 5, 6}));
  bytes.pop_back();
  expect_error<DataError>([&] { unpack(bytes); }, {"truncated"});
}

TEST(Gzip, AWrongChecksumIsFound) {
  Bytes bytes = gzip(counting_bytes(300));
  bytes[bytes.size() - 8] ^= 1U;  // the first byte of the CRC-32
  expect_error<DataError>([&] { unpack(bytes); }, {"f.gz", "damaged", "incorrect data check"});
}

TEST(Gzip, AWrongLengthIsFound) {
  Bytes bytes = gzip(counting_bytes(300));
  bytes.back() ^= 1U;
  expect_error<DataError>([&] { unpack(bytes); }, {"damaged", "incorrect length check"});
}

TEST(Gzip, TrailingGarbageIsFound) {
  for (const Bytes& garbage : {Bytes{0}, Bytes{0x1f}, Bytes{1, 2, 3, 4}}) {
    expect_error<DataError>([&] { unpack(joined(gzip({1, 2, 3}), garbage)); }, {"f.gz", "follow the end"});
  }
}

TEST(Gzip, NoFlippedBitChangesTheContentUnnoticed) {
  const Bytes content = counting_bytes(200);
  const Bytes whole = gzip(content);
  int noticed = 0;
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes damaged = whole;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ (1U << bit % 8));
    try {
      // A few bits mean nothing: the time of writing, the padding of a block.
      EXPECT_EQ(unpack(damaged), content) << "bit " << bit;
    } catch (const DataError&) {
      ++noticed;
    }
  }
  EXPECT_GT(noticed, static_cast<int>(content.size() * 8));
}

TEST(Gzip, ReadingAfterTheEndGivesNothing) {
  const Bytes bytes = gzip({1, 2, 3});
  GzipReader reader(bytes, "f.gz");
  Bytes out(10);
  EXPECT_EQ(reader.read(out), 3U);
  EXPECT_EQ(reader.read(out), 0U);
}

TEST(Gzip, NoStreamExpandsMoreThanTheRatioSays) {
  const Bytes bomb = gzip(Bytes(20'000'000, 0));
  EXPECT_LE(20'000'000U, bomb.size() * kMaxDeflateRatio);
  EXPECT_GT(20'000'000U, bomb.size() * (kMaxDeflateRatio - 40)) << "the bound is not a tight one";
}

}  // namespace
}  // namespace dml
