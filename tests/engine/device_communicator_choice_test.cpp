// When ranks on GPUs exchange values by NCCL, and when through the host.
#include <gtest/gtest.h>

#include "engine/train/device_communicator.h"
#include "kernels/base/error.h"

namespace dml {
namespace {

const std::vector<TransportFacts> kApart = {{"a 01:00.0", ""}, {"a 02:00.0", ""}, {"b 01:00.0", ""}};
const std::vector<TransportFacts> kShared = {{"a 01:00.0", ""}, {"a 02:00.0", ""}, {"a 01:00.0", ""}};
const std::vector<TransportFacts> kWithout = {{"a 01:00.0", ""}, {"a 02:00.0", "NCCL: not found"}};

TEST(TransportChoice, LeftOpenIsNcclWhereEveryRankHasAGpuOfItsOwn) {
  const TransportChoice choice = choose_transport(DeviceTransport::automatic, kApart);
  EXPECT_EQ(choice.transport, DeviceTransport::nccl);
  EXPECT_FALSE(choice.shares_gpus);
  EXPECT_EQ(choice.reason, "");
}

TEST(TransportChoice, LeftOpenIsStagedWhereRanksShareAGpuAndSaysSo) {
  const TransportChoice choice = choose_transport(DeviceTransport::automatic, kShared);
  EXPECT_EQ(choice.transport, DeviceTransport::staged);
  EXPECT_EQ(choice.reason, "ranks share a GPU, which NCCL is not made for");
}

TEST(TransportChoice, LeftOpenIsStagedWhereNcclIsMissingAndSaysWhere) {
  const TransportChoice choice = choose_transport(DeviceTransport::automatic, kWithout);
  EXPECT_EQ(choice.transport, DeviceTransport::staged);
  EXPECT_EQ(choice.reason, "rank 1 cannot use NCCL: NCCL: not found");
}

TEST(TransportChoice, StagedIsStagedWithoutAWord) {
  for (const auto& ranks : {kApart, kShared, kWithout}) {
    const TransportChoice choice = choose_transport(DeviceTransport::staged, ranks);
    EXPECT_EQ(choice.transport, DeviceTransport::staged);
    EXPECT_EQ(choice.reason, "");
  }
}

TEST(TransportChoice, NcclOnASharedGpuIsDoneOnRequest) {
  const TransportChoice choice = choose_transport(DeviceTransport::nccl, kShared);
  EXPECT_EQ(choice.transport, DeviceTransport::nccl);
  EXPECT_TRUE(choice.shares_gpus);
}

TEST(TransportChoice, NcclThatARankLacksIsAnErrorThatNamesTheRank) {
  try {
    choose_transport(DeviceTransport::nccl, kWithout);
    ADD_FAILURE() << "no error";
  } catch (const UnavailableError& error) {
    EXPECT_EQ(std::string(error.what()), "--communicator nccl: rank 1 cannot use it: NCCL: not found");
  }
}

}  // namespace
}  // namespace dml
