#include "engine/data/idx.h"

#include "tests/data/idx_files.h"
#include "tests/data/test_files.h"

namespace dml {
namespace {

using testing::Bytes;
using testing::expect_error;
using testing::gzip;
using testing::idx_header;
using testing::idx_images;
using testing::idx_labels;
using testing::joined;

using Shape = std::vector<std::int64_t>;

TEST(Idx, ReadsImagesPlainAndCompressed) {
  const Bytes file = idx_images(3, 5);
  for (const Bytes& bytes : {file, gzip(file)}) {
    const IdxArray array = parse_idx(bytes, "f", 3);
    EXPECT_EQ(array.shape, (Shape{3, 5, 5}));
    ASSERT_EQ(array.values.size(), 75U);
    EXPECT_EQ(array.values[74], 74);
  }
}

TEST(Idx, ReadsLabels) {
  const IdxArray array = parse_idx(idx_labels(12), "f", 1);
  EXPECT_EQ(array.shape, (Shape{12}));
  EXPECT_EQ(array.values[11], 1);
}

TEST(Idx, SizesAreBigEndian) {
  const IdxArray array = parse_idx(joined(idx_header({0x010203}), Bytes(0x010203)), "f", 1);
  EXPECT_EQ(array.shape, (Shape{0x010203}));
}

TEST(Idx, ConcatenatedGzipMembersAreLegal) {
  const Bytes file = idx_labels(20);
  const Bytes head(file.begin(), file.begin() + 6);
  const Bytes tail(file.begin() + 6, file.end());
  EXPECT_EQ(parse_idx(joined(gzip(head), gzip(tail)), "f", 1).shape, (Shape{20}));
}

TEST(Idx, WrongMagic) {
  expect_error<DataError>(
      [] {
        parse_idx({{0x89, 'P', 'N', 'G', 0, 0, 0, 0}}, "dir/f", 1);
      },
      {"dir/f", "not an IDX file", "89 50", "00 00"});
  expect_error<DataError>(
      [] {
        parse_idx(gzip({'<', 'h', 't', 'm', 'l', '>', ' ', ' '}), "f", 1);
      },
      {"not an IDX file"});
}

TEST(Idx, WrongType) {
  expect_error<DataError>([] { parse_idx(joined(idx_header({1}, 0x0D), Bytes(4)), "f", 1); },
                          {"type f32", "u8"});
  expect_error<DataError>([] { parse_idx(joined(idx_header({1}, 0x77), Bytes(4)), "f", 1); },
                          {"unknown 0x77"});
}

TEST(Idx, WrongNumberOfDimensions) {
  expect_error<DataError>([] { parse_idx(idx_labels(50), "f", 3); },
                          {"1 dimensions", "images (3 dimensions)", "exchanged"});
  expect_error<DataError>([] { parse_idx(idx_images(2), "f", 1); }, {"3 dimensions", "labels (1 dimension)"});
}

TEST(Idx, EveryTruncationIsFound) {
  const Bytes whole = idx_images(2, 3);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    expect_error<DataError>([&] { parse_idx(part, "f", 3); }, {"f", "too short"});
    expect_error<DataError>([&] { parse_idx(gzip(part), "f", 3); }, {"f", "too short"});
  }
}

TEST(Idx, TrailingBytesAreFound) {
  const Bytes file = joined(idx_labels(4), Bytes{0});
  expect_error<DataError>([&] { parse_idx(file, "f", 1); }, {"trailing bytes", "4 values"});
  expect_error<DataError>([&] { parse_idx(gzip(file), "f", 1); }, {"trailing bytes"});
}

TEST(Idx, ADamagedChecksumBehindTheLastValueIsFound) {
  Bytes bytes = gzip(idx_labels(4));
  bytes[bytes.size() - 8] ^= 1U;
  expect_error<DataError>([&] { parse_idx(bytes, "f", 1); }, {"incorrect data check"});
}

TEST(Idx, SizesThatOverflowAreFound) {
  const std::uint32_t huge = 0xFFFFFFFF;
  expect_error<DataError>(
      [&] {
        parse_idx(idx_header({huge, huge, huge}), "f", 3);
      },
      {"4294967295", "limit"});
  expect_error<DataError>([&] { parse_idx(idx_header({0x10000, 0x10000, 0x10000}), "f", 3); }, {"limit"});
}

TEST(Idx, APromiseBeyondTheFileIsRefusedBeforeItIsAllocated) {
  expect_error<DataError>([] { parse_idx(idx_header({2'000'000'000}), "f", 1); }, {"allows at most 0"});
  expect_error<DataError>([] { parse_idx(gzip(joined(idx_header({2'000'000'000}), Bytes(100))), "f", 1); },
                          {"allows at most", "2000000000 values"});
}

TEST(Idx, ADecompressionBombStopsAtThePromise) {
  const Bytes bomb = gzip(joined(idx_header({10}), Bytes(50'000'000)));
  expect_error<DataError>([&] { parse_idx(bomb, "f", 1); }, {"trailing bytes", "10 values"});
}

TEST(Idx, NoSamples) {
  expect_error<DataError>([] { parse_idx(idx_header({0}), "f", 1); }, {"is empty", "at least one sample"});
  expect_error<DataError>([] { parse_idx(idx_header({3, 0, 28}), "f", 3); }, {"3 x 0 x 28"});
}

TEST(Idx, FilesThatCannotBeRead) {
  const testing::TempDirectory temp;
  expect_error<IoError>([&] { read_idx(temp.path("absent"), 1); }, {"absent", "No such file"});
  expect_error<IoError>([&] { read_idx(temp.path(), 1); }, {"is a directory"});
  expect_error<IoError>([&] { read_idx("/dev/null", 1); }, {"not a regular file"});
  testing::write_bytes(temp.path("empty"), {});
  expect_error<DataError>([&] { read_idx(temp.path("empty"), 1); }, {"empty", "0 bytes found, 8 expected"});
}

}  // namespace
}  // namespace dml
