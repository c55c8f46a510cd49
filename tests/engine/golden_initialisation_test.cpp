// Initial weights and epoch orders against a second implementation, written in numpy from their definitions.
//
// Spot values say where a difference is; the CRC-32 over the whole arena or order says that there is none.
#include <cstdio>
#include <gtest/gtest.h>
#include <span>
#include <string>
#include <vector>
#include <zlib.h>

#include "engine/model/parameters.h"
#include "engine/model/zoo.h"
#include "kernels/base/buffer.h"
#include "samplers/sampler.h"
#include "tests/golden/golden_file.h"

namespace dml::test {
namespace {

template <class T>
std::string crc32_of(std::span<const T> values) {
  char text[16];
  std::snprintf(
      text, sizeof text, "%08lx",
      ::crc32(0, reinterpret_cast<const Bytef*>(values.data()), static_cast<uInt>(values.size_bytes())));
  return text;
}

std::vector<std::int32_t> samples_of(const EpochOrder& order) {
  std::vector<std::int32_t> samples;
  for (std::int64_t p = 0; p < order.length(); ++p) {
    samples.push_back(static_cast<std::int32_t>(order.sample(p).value()));
  }
  return samples;
}

const GoldenFile& golden() {
  static const GoldenFile file("initial.safetensors");
  return file;
}

TEST(GoldenInitialisation, ArenasEqualBitForBit) {
  for (const std::string model : {"lenet", "mnist-cnn"}) {
    for (const std::uint64_t seed : {0U, 7U}) {
      const std::string name = model + "/seed" + std::to_string(seed);
      SCOPED_TRACE(name);
      const ParameterLayout layout(model_by_name(model));
      ASSERT_EQ(std::to_string(layout.elements()), golden().text(name + "/elements"));
      HostBuffer arena(layout.elements(), DType::f32);
      initialise_parameters(layout, seed, arena.view());

      const auto index = golden().values<std::int64_t>(name + "/index");
      const auto value = golden().values<float>(name + "/value");
      for (std::size_t i = 0; i < index.size(); ++i) {
        EXPECT_EQ(arena.as<float>()[static_cast<std::size_t>(index[i])], value[i]) << "element " << index[i];
      }
      EXPECT_EQ(crc32_of<float>(arena.as<float>()), golden().text(name + "/crc32"));
    }
  }
}

TEST(GoldenInitialisation, BalancedOrdersEqual) {
  const auto samples = static_cast<std::int64_t>(golden().number("samples"));
  for (const std::uint64_t seed : {0U, 7U}) {
    const auto sampler = make_sampler("balanced", {.samples = samples, .replicas = 2, .seed = seed});
    for (const int epoch : {0, 1}) {
      const std::string name = "balanced/seed" + std::to_string(seed) + "/epoch" + std::to_string(epoch);
      SCOPED_TRACE(name);
      const std::vector<std::int32_t> order = samples_of(sampler->epoch(epoch));
      const auto first = golden().values<std::int32_t>(name);
      ASSERT_GE(order.size(), first.size());
      for (std::size_t p = 0; p < first.size(); ++p) EXPECT_EQ(order[p], first[p]) << "position " << p;
      EXPECT_EQ(crc32_of<std::int32_t>(order), golden().text(name + "/crc32"));
    }
  }
}

TEST(GoldenInitialisation, RandomSharesEqual) {
  constexpr int kReplicas = 3;
  const auto sampler = make_sampler("random", {.samples = 1000, .replicas = kReplicas, .seed = 7});
  const EpochOrder order = sampler->epoch(1);
  for (int replica = 0; replica < kReplicas; ++replica) {
    const auto share = golden().values<std::int32_t>("random/seed7/epoch1/replica" + std::to_string(replica));
    ASSERT_EQ(order.length(), static_cast<std::int64_t>(share.size()) * kReplicas);
    for (std::size_t i = 0; i < share.size(); ++i) {
      EXPECT_EQ(order.sample(static_cast<std::int64_t>(i) * kReplicas + replica), share[i])
          << "replica " << replica << ", place " << i;
    }
  }
}

}  // namespace
}  // namespace dml::test
