// Views, buffers, errors, hashes and shapes.

#include <cstdint>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "kernels/base/buffer.h"
#include "kernels/base/hash.h"
#include "kernels/base/shapes.h"

namespace dml::test {
namespace {

TEST(View, IsReadAsItsOwnTypeOnly) {
  std::vector<float> values = {1, 2, 3};
  const View view = view_of(std::span(values));
  EXPECT_EQ(view.dtype, DType::f32);
  EXPECT_EQ(view.bytes(), 12U);
  EXPECT_EQ(view.as<float>()[2], 3);
  EXPECT_THROW(static_cast<void>(view.as<double>()), InternalError);
  EXPECT_THROW(static_cast<void>(view.as<std::int32_t>()), InternalError) << "same size, another type";
}

TEST(View, SlicesWithinItsBounds) {
  std::vector<std::int64_t> values = {10, 11, 12, 13};
  const View view = view_of(std::span(values));
  const View middle = view.slice(1, 2);
  EXPECT_EQ(middle.elements, 2);
  EXPECT_EQ(middle.as<std::int64_t>()[1], 12);
  EXPECT_TRUE(view.slice(4, 0).empty());
  EXPECT_THROW(static_cast<void>(view.slice(3, 2)), InternalError);
  EXPECT_THROW(static_cast<void>(view.slice(-1, 1)), InternalError);
  EXPECT_THROW(static_cast<void>(view.slice(2, -1)), InternalError);
}

TEST(View, KnowsTheSizeOfEveryType) {
  EXPECT_EQ(size_in_bytes(DType::f32), 4U);
  EXPECT_EQ(size_in_bytes(DType::f64), 8U);
  EXPECT_EQ(size_in_bytes(DType::u8), 1U);
  EXPECT_EQ(size_in_bytes(DType::i32), 4U);
  EXPECT_EQ(size_in_bytes(DType::i64), 8U);
  EXPECT_EQ(to_string(DType::f64), "f64");
}

TEST(HostBuffer, IsAlignedAndZero) {
  for (const std::int64_t elements : {1, 15, 16, 17, 1000}) {
    const HostBuffer buffer(elements, DType::f32);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.view().data) % 64, 0U);
    EXPECT_EQ(buffer.bytes(), static_cast<std::size_t>(4 * elements));
    for (const float value : buffer.as<float>()) EXPECT_EQ(value, 0);
  }
}

TEST(HostBuffer, MovesItsMemory) {
  HostBuffer from(3, DType::f64);
  from.as<double>()[0] = 7;
  const void* memory = from.view().data;
  const HostBuffer to = std::move(from);
  EXPECT_EQ(to.view().data, memory);
  EXPECT_EQ(to.as<double>()[0], 7);
}

TEST(HostBuffer, MayBeEmptyButNotNegative) {
  EXPECT_TRUE(HostBuffer(0, DType::f32).view().empty());
  EXPECT_THROW(HostBuffer(-1, DType::f32), InternalError);
}

TEST(Error, CarriesItsExitCode) {
  EXPECT_EQ(NegativeResult("").code(), ExitCode::negative);
  EXPECT_EQ(UsageError("").code(), ExitCode::usage);
  EXPECT_EQ(DataError("").code(), ExitCode::data);
  EXPECT_EQ(UnavailableError("").code(), ExitCode::unavailable);
  EXPECT_EQ(PeerError("").code(), ExitCode::unavailable);
  EXPECT_EQ(InternalError("").code(), ExitCode::internal);
  EXPECT_EQ(IoError("").code(), ExitCode::io);
}

TEST(Error, AssertionQuotesTheExpression) {
  const int batch = 3;
  try {
    DML_ASSERT(batch % 2 == 0, "batches are even here");
    FAIL() << "an assertion that does not hold passed";
  } catch (const InternalError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("batch % 2 == 0"), std::string::npos) << message;
    EXPECT_NE(message.find("batches are even here"), std::string::npos) << message;
    EXPECT_NE(message.find("base_test.cpp"), std::string::npos) << message;
  }
  EXPECT_NO_THROW(DML_ASSERT(batch == 3, "holds"));
}

TEST(Hash, IsXxh3) {
  EXPECT_EQ(xxh3(std::string()), "xxh3:2d06800538d394c2") << "the hash of nothing, as xxHash publishes it";
  EXPECT_NE(xxh3(std::string("a")), xxh3(std::string("b")));
  EXPECT_EQ(xxh3(std::string("weights")).size(), std::string("xxh3:").size() + 16);
}

TEST(Shapes, CountOutputsOfDilatedAndStridedFilters) {
  constexpr ConvolutionShape kDilated{2, 3, 12, 13, 4, 3, 3, 2, 2, 2};
  static_assert(kDilated.P() == 6 && kDilated.Q() == 7,
                "(12 + 4 - 4 - 1) / 2 + 1 and (13 + 4 - 4 - 1) / 2 + 1");
  EXPECT_EQ(kDilated.output_elements(), 2 * 4 * 6 * 7);
  EXPECT_EQ(kDilated.weight_elements(), 4 * 3 * 3 * 3);
  EXPECT_EQ(kDilated.forward_flops(), 2.0 * 2 * 4 * 6 * 7 * 27);
  constexpr PoolShape kPool{1, 1, 7, 9, 3, 2};
  static_assert(kPool.P() == 3 && kPool.Q() == 4, "whole windows only");
}

}  // namespace
}  // namespace dml::test
