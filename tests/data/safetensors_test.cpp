#include "engine/run/safetensors.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/data/test_files.h"

namespace dml {
namespace {

using testing::Bytes;
using testing::expect_error;
using testing::joined;
using testing::TempDirectory;

/// A file with this header and `data_bytes` bytes of data, 0, 1, 2, ...
Bytes file_with(const std::string& header, std::size_t data_bytes) {
  Bytes bytes;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    bytes.push_back(static_cast<std::uint8_t>(std::uint64_t{header.size()} >> shift));
  }
  for (const char c : header) bytes.push_back(static_cast<std::uint8_t>(c));
  for (std::size_t i = 0; i < data_bytes; ++i) bytes.push_back(static_cast<std::uint8_t>(i));
  return bytes;
}

/// What parsing such a file says; it must be a DataError that names the file and all of `parts`.
void expect_refused(const std::string& header, std::size_t data_bytes,
                    std::initializer_list<const char*> parts) {
  const std::string message = expect_error<DataError>(
      [&] { parse_safetensors(file_with(header, data_bytes), "dir/w.safetensors"); }, parts);
  EXPECT_EQ(message.rfind("dir/w.safetensors: ", 0), 0U) << message;
}

template <class T>
NamedTensor tensor_of(const std::string& name, std::vector<std::int64_t> shape, std::vector<T>& values) {
  return {name, std::move(shape), view_of(std::span<T>(values))};
}

template <class T>
std::vector<T> values_of(const NamedTensor* tensor) {
  if (tensor == nullptr) throw InternalError("the tensor is absent");
  const std::span<T> values = tensor->values.as<T>();
  return {values.begin(), values.end()};
}

TEST(Safetensors, EveryTypeComesBackBitForBit) {
  std::vector<float> f32 = {0.1F, -0.0F, std::numeric_limits<float>::denorm_min(), 3, 4, 5};
  std::vector<double> f64 = {0.1, 1e-310};
  std::vector<std::int32_t> i32 = {std::numeric_limits<std::int32_t>::min()};
  std::vector<std::int64_t> i64 = {std::numeric_limits<std::int64_t>::max()};
  std::vector<std::uint8_t> u8 = {255, 0, 7};
  std::vector<float> none;
  const TempDirectory temp;
  const std::string path = temp.path("all.safetensors");
  // u8 in the middle puts what follows on an odd address in the file.
  write_safetensors(path,
                    std::vector<NamedTensor>{tensor_of("u8", {3}, u8), tensor_of("f32", {2, 3}, f32),
                                             tensor_of("f64", {2}, f64), tensor_of("scalar", {}, i64),
                                             tensor_of("none", {4, 0}, none), tensor_of("i32", {1, 1}, i32)},
                    {{"who", "test"}, {"empty", ""}});

  const SafetensorsFile file = read_safetensors(path);
  EXPECT_EQ(file.metadata, (SafetensorsMetadata{{"empty", ""}, {"who", "test"}}));
  EXPECT_EQ(values_of<float>(file.find("f32")), f32);
  EXPECT_TRUE(std::signbit(values_of<float>(file.find("f32"))[1]));
  EXPECT_EQ(values_of<double>(file.find("f64")), f64);
  EXPECT_EQ(values_of<std::int32_t>(file.find("i32")), i32);
  EXPECT_EQ(values_of<std::int64_t>(file.find("scalar")), i64);
  EXPECT_EQ(values_of<std::uint8_t>(file.find("u8")), u8);
  EXPECT_EQ(file.find("f32")->shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_TRUE(file.find("scalar")->shape.empty());
  EXPECT_EQ(file.find("none")->shape, (std::vector<std::int64_t>{4, 0}));
  EXPECT_EQ(file.find("absent"), nullptr);
  EXPECT_EQ(file.tensors.front().name, "u8") << "tensors come in the order of the data";
  for (const NamedTensor& tensor : file.tensors) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.values.data) % 64, 0U) << tensor.name;
  }
}

TEST(Safetensors, TheWriterAlignsTheDataAndRepeatsItsBytes) {
  std::vector<float> values = {1, 2};
  const TempDirectory temp;
  for (const std::string& name : {std::string("a"), std::string("abcdefg"), std::string("abcdefgh")}) {
    write_safetensors(temp.path("1"), std::vector{tensor_of(name, {2}, values)}, {});
    write_safetensors(temp.path("2"), std::vector{tensor_of(name, {2}, values)}, {});
    const Bytes bytes = testing::read_bytes(temp.path("1"));
    EXPECT_EQ(bytes, testing::read_bytes(temp.path("2")));
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, bytes.data(), 8);
    EXPECT_EQ(header_bytes % 8, 0U);
    EXPECT_EQ(bytes.size(), 8 + header_bytes + 8);
  }
}

TEST(Safetensors, TheBytesOfASmallFile) {
  std::vector<float> values = {1.0F};
  const TempDirectory temp;
  write_safetensors(temp.path("w"), std::vector{tensor_of("w", {1}, values)}, {{"k", "v"}});
  const std::string header =
      R"({"__metadata__":{"k":"v"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  Bytes expected =
      joined(file_with(header + std::string((8 - header.size() % 8) % 8, ' '), 0), Bytes{0, 0, 0x80, 0x3f});
  EXPECT_EQ(testing::read_bytes(temp.path("w")), expected);
}

TEST(Safetensors, AFileWithoutTensorsIsLegal) {
  EXPECT_TRUE(parse_safetensors(file_with("{}", 0), "f").tensors.empty());
  EXPECT_TRUE(parse_safetensors(file_with("{}   ", 0), "f").tensors.empty());
}

TEST(Safetensors, HeaderLength) {
  expect_error<DataError>([] { parse_safetensors({}, "f"); }, {"f: ", "too short", "0 bytes"});
  expect_error<DataError>(
      [] {
        parse_safetensors(Bytes{2, 0, 0, 0, 0, 0, 0}, "f");
      },
      {"too short", "7 bytes"});
  expect_error<DataError>(
      [] {
        parse_safetensors(Bytes{3, 0, 0, 0, 0, 0, 0, 0, '{', '}'}, "f");
      },
      {"truncated", "has 3 bytes, but only 2"});
  expect_error<DataError>([] { parse_safetensors(Bytes(16, 0xff), "f"); },
                          {"no safetensors file", "18446744073709551615", "limit of 100000000"});
}

TEST(Safetensors, HeaderIsAJsonObjectInUtf8) {
  expect_refused("", 0, {"does not begin with '{'"});
  expect_refused(" {}", 0, {"does not begin with '{'"});
  expect_refused("[]", 0, {"does not begin with '{'"});
  expect_refused("{", 0, {"not valid JSON"});
  expect_refused("{}x", 0, {"not valid JSON", "at its byte 3"});
  expect_refused("{\"a\xff\":1}", 0, {"not valid JSON in UTF-8"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[1e999],"data_offsets":[0,1]}})", 1, {"number"});
}

TEST(Safetensors, DuplicateKeys) {
  const std::string tensor = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  expect_refused(R"({"a":)" + tensor + R"(,"a":)" + tensor + "}", 1, {"key \"a\" twice"});
  expect_refused(R"({"\u0061":)" + tensor + R"(,"a":)" + tensor + "}", 1, {"key \"a\" twice"});
  expect_refused(R"({"__metadata__":{"k":"1","k":"2"}})", 0, {"key \"k\" twice"});
  expect_refused(R"({"__metadata__":{},"__metadata__":{}})", 0, {"__metadata__", "twice"});
  expect_refused(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
                 {"\"dtype\" twice"});
  // The same key in two objects is none.
  const Bytes legal = file_with(R"({"dtype":)" + tensor + R"(,"__metadata__":{"dtype":"x"}})", 1);
  EXPECT_EQ(parse_safetensors(legal, "f").tensors.size(), 1U);
}

TEST(Safetensors, MetadataIsTexts) {
  expect_refused(R"({"__metadata__":{"k":1}})", 0, {"metadata \"k\"", "not a text"});
  expect_refused(R"({"__metadata__":[]})", 0, {"__metadata__", "not an object"});
}

TEST(Safetensors, TensorEntries) {
  expect_refused(R"({"a":1})", 0, {"tensor \"a\"", "not an object"});
  expect_refused(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, {"\"a\"", "has no dtype"});
  expect_refused(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, {"has no shape"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[1]}})", 1, {"has no data_offsets"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":0}})", 1, {"key beside"});
  expect_refused(R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", 1, {"dtype that is not a text"});
  expect_refused(R"({"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", 1, {"shape that is not a list"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, {"not two numbers"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":1}})", 1, {"not two numbers"});
}

TEST(Safetensors, OtherTypesAreRefusedByNameWithTheFix) {
  for (const char* type : {"F16", "BF16", "BOOL", "U16", "F8_E4M3", "float", ""}) {
    expect_refused(std::string(R"({"layer.0":{"dtype":")") + type + R"(","shape":[1],"data_offsets":[0,2]}})",
                   2, {"tensor \"layer.0\"", type, "F32, F64, I32, I64 and U8", ".float()"});
  }
}

TEST(Safetensors, SizesAndOffsetsAreWholeNumbersThatFit) {
  for (const char* size :
       {"-1", "1.0", "\"1\"", "null", "9223372036854775808", "18446744073709551615", "1e2"}) {
    expect_refused(std::string(R"({"a":{"dtype":"U8","shape":[)") + size + R"(],"data_offsets":[0,1]}})", 1,
                   {"\"a\"", "a size in its shape that is not an integer"});
    expect_refused(std::string(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[)") + size + ",1]}}", 1,
                   {"an offset that is not an integer"});
    expect_refused(std::string(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,)") + size + "]}}", 1,
                   {"an offset that is not an integer"});
  }
}

TEST(Safetensors, ShapesThatOverflow) {
  const char* too_large = "more bytes than 2^63";
  expect_refused(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,1]}})", 1,
                 {too_large});
  expect_refused(R"({"a":{"dtype":"F64","shape":[1152921504606846976],"data_offsets":[0,0]}})", 0,
                 {too_large});
  expect_refused(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
                 {too_large});
  const Bytes empty =
      file_with(R"({"a":{"dtype":"F64","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}})", 0);
  EXPECT_EQ(parse_safetensors(empty, "f").tensors.at(0).values.elements, 0);
}

TEST(Safetensors, OffsetsAgreeWithShapeAndFile) {
  expect_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
                 {"\"a\"", "4 bytes", "[2] of f32", "needs 8"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4,
                 {"begins at byte 4", "end at byte 0"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7,
                 {"ends at byte 8", "only 7", "truncated"});
}

TEST(Safetensors, NoOverlapNoHoleNoRest) {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  EXPECT_EQ(parse_safetensors(file_with(two("[4,8]", "[0,4]"), 8), "f").tensors.front().name, "b");
  expect_refused(two("[0,4]", "[3,7]"), 7, {"\"b\"", "overlaps", "byte 3", "4 is expected"});
  expect_refused(two("[0,4]", "[0,4]"), 4, {"overlaps"});
  expect_refused(two("[0,4]", "[5,9]"), 9, {"\"b\"", "hole", "byte 5"});
  expect_refused(two("[1,5]", "[5,9]"), 9, {"\"a\"", "hole", "byte 1"});
  expect_refused(two("[0,4]", "[4,8]"), 9, {"9 bytes of data", "cover only 8"});
  expect_refused("{}", 1, {"cover only 0"});
}

TEST(Safetensors, NamesFromAFileCannotControlTheTerminal) {
  const std::string message = expect_error<DataError>(
      [] { parse_safetensors(file_with(R"({"\u001b[31m)" + std::string(500, 'x') + R"(":1})", 0), "f"); },
      {"\\x1b[31mxxx"});
  EXPECT_LT(message.size(), 300U);
}

TEST(Safetensors, DeepNestingIsRefusedWithoutExhaustingTheStack) {
  const std::string deep(1'000'000, '[');
  expect_refused(R"({"a":)" + deep, 0, {"not valid JSON"});
  expect_refused(R"({"a":)" + deep + std::string(deep.size(), ']') + "}", 0, {"\"a\"", "not an object"});
}

TEST(Safetensors, FilesThatCannotBeReadOrWritten) {
  const TempDirectory temp;
  expect_error<IoError>([&] { read_safetensors(temp.path("absent")); }, {"absent", "No such file"});
  std::vector<float> values = {1};
  expect_error<IoError>(
      [&] { write_safetensors(temp.path("no/such/f"), std::vector{tensor_of("w", {1}, values)}, {}); },
      {"no/such/f", "directory must exist"});
}

TEST(Safetensors, TheWriterRefusesItsCallersMistakes) {
  std::vector<float> values = {1, 2};
  const TempDirectory temp;
  const auto write = [&](const std::vector<NamedTensor>& tensors) {
    write_safetensors(temp.path("w"), tensors, {});
  };
  EXPECT_THROW(write({tensor_of("w", {3}, values)}), InternalError);
  EXPECT_THROW(write({tensor_of("w", {2}, values), tensor_of("w", {2}, values)}), InternalError);
  std::vector<float> none;
  EXPECT_THROW(write({tensor_of("w", {4611686018427387904, 4}, none)}), InternalError)
      << "the product is no 0";
  EXPECT_THROW(write({tensor_of("__metadata__", {2}, values)}), InternalError);
  EXPECT_TRUE(temp.names().empty());
}

TEST(Safetensors, ReadsWhatThePythonPackageWrote) {
  const std::string path = std::string(DML_SOURCE_DIR) + "/tests/golden/initial.safetensors";
  const SafetensorsFile file = read_safetensors(path);
  EXPECT_FALSE(file.tensors.empty());
  for (const NamedTensor& tensor : file.tensors) EXPECT_GT(tensor.values.elements, 0) << tensor.name;
}

TEST(CopyTensors, CopiesByNameAndChecksBeforeItCopies) {
  std::vector<float> a = {1, 2};
  std::vector<float> b = {3};
  std::vector<float> to_a(2);
  std::vector<float> to_b(1);
  const std::vector<NamedTensor> from = {tensor_of("a", {2}, a), tensor_of("b", {1}, b)};
  copy_tensors(from, std::vector{tensor_of("b", {1}, to_b), tensor_of("a", {2}, to_a)}, "f");
  EXPECT_EQ(to_a, a);
  EXPECT_EQ(to_b, b);

  to_a = {0, 0};
  std::vector<float> other(2);
  std::vector<double> wide(1);
  const auto copy = [&](const NamedTensor& second) {
    copy_tensors(from, std::vector{tensor_of("a", {2}, to_a), second}, "f");
  };
  expect_error<DataError>([&] { copy(tensor_of("c", {2}, other)); }, {"f: ", "\"c\" is missing"});
  expect_error<DataError>([&] { copy(tensor_of("b", {2}, other)); }, {"\"b\" has shape [1] where [2]"});
  expect_error<DataError>([&] { copy(tensor_of("b", {1, 1}, to_b)); }, {"[1] where [1, 1]"});
  expect_error<DataError>([&] { copy(tensor_of("b", {1}, wide)); }, {"f32 where f64"});
  expect_error<DataError>([&] { copy_tensors(from, std::vector{tensor_of("a", {2}, to_a)}, "f"); },
                          {"\"b\" has no place"});
  EXPECT_EQ(to_a, (std::vector<float>{0, 0})) << "nothing is copied unless everything fits";
}

}  // namespace
}  // namespace dml
