// The environment contract: who a process is, and sets of variables that make no sense.
#include "runners/launch/contract.h"

#include <gtest/gtest.h>
#include <thread>

#include "kernels/base/error.h"
#include "runners/launch/rank_context.h"

namespace dml {
namespace {

Variables torchrun() {
  return {{"RANK", "3"},
          {"WORLD_SIZE", "4"},
          {"LOCAL_RANK", "1"},
          {"LOCAL_WORLD_SIZE", "2"},
          {"MASTER_ADDR", "10.0.0.7"},
          {"MASTER_PORT", "29500"},
          {"PATH", "/bin"}};
}

Variables with(Variables variables, const std::string& name, const std::string& value) {
  variables[name] = value;
  return variables;
}

Variables without(Variables variables, const std::string& name) {
  variables.erase(name);
  return variables;
}

std::string refusal(const Variables& variables) {
  try {
    static_cast<void>(read_contract(variables));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Contract, WithoutVariablesNobodyStartedUs) {
  const Contract contract = read_contract({{"PATH", "/bin"}});
  EXPECT_EQ(contract.source, Contract::Source::standalone);
  EXPECT_FALSE(contract.is_rank());
  EXPECT_EQ(contract.world_size, 1);
}

TEST(Contract, AMasterAloneDoesNotMakeARank) {
  EXPECT_FALSE(read_contract({{"MASTER_ADDR", "localhost"}, {"MASTER_PORT", "29500"}}).is_rank());
}

TEST(Contract, ReadsWhatTorchrunSets) {
  const Contract contract = read_contract(torchrun());
  EXPECT_EQ(contract.source, Contract::Source::launcher);
  EXPECT_EQ(contract.rank, 3);
  EXPECT_EQ(contract.world_size, 4);
  EXPECT_EQ(contract.local_rank, 1);
  EXPECT_EQ(contract.local_world_size, 2);
  EXPECT_EQ(contract.rendezvous_address(), "10.0.0.7:29501")
      << "torchrun's agent listens on MASTER_PORT itself";
}

TEST(Contract, Ipv6MastersAreBracketed) {
  EXPECT_EQ(read_contract(with(torchrun(), "MASTER_ADDR", "fe80::1")).rendezvous_address(),
            "[fe80::1]:29501");
}

TEST(Contract, LocalWorldSizeIsGuessedFromTheMaster) {
  EXPECT_EQ(read_contract(without(torchrun(), "LOCAL_WORLD_SIZE")).local_world_size, 2);
  const Variables here = with(torchrun(), "MASTER_ADDR", "127.0.0.1");
  EXPECT_EQ(read_contract(without(here, "LOCAL_WORLD_SIZE")).local_world_size, 4);
}

TEST(Contract, MasterMayBeAbsentAltogether) {
  const Variables variables = without(without(torchrun(), "MASTER_ADDR"), "MASTER_PORT");
  EXPECT_EQ(read_contract(variables).rendezvous_address(), "") << "--rendezvous may replace it";
}

TEST(Contract, IncompleteSetsNameWhatIsThereAndWhatIsNot) {
  for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_RANK"}) {
    const std::string message = refusal(without(torchrun(), name));
    EXPECT_NE(message.find(std::string("but not ") + name), std::string::npos) << message;
  }
  EXPECT_NE(refusal({{"LOCAL_WORLD_SIZE", "2"}}).find("RANK, WORLD_SIZE and LOCAL_RANK"), std::string::npos);
  EXPECT_NE(refusal(without(torchrun(), "MASTER_PORT")).find("MASTER_ADDR but not MASTER_PORT"),
            std::string::npos);
  EXPECT_NE(refusal(without(torchrun(), "MASTER_ADDR")).find("MASTER_PORT but not MASTER_ADDR"),
            std::string::npos);
  EXPECT_NE(refusal(with(torchrun(), "RANK", "")).find("but not RANK"), std::string::npos)
      << "empty is not set";
}

TEST(Contract, ContradictionsNameBothVariables) {
  const auto mentions = [](const std::string& message, const char* first, const char* second) {
    return message.find(first) != std::string::npos && message.find(second) != std::string::npos;
  };
  EXPECT_TRUE(mentions(refusal(with(torchrun(), "RANK", "4")), "RANK=4", "WORLD_SIZE=4"));
  EXPECT_TRUE(mentions(refusal(with(torchrun(), "LOCAL_RANK", "2")), "LOCAL_RANK=2", "LOCAL_WORLD_SIZE=2"));
  EXPECT_TRUE(
      mentions(refusal(with(torchrun(), "LOCAL_WORLD_SIZE", "8")), "LOCAL_WORLD_SIZE=8", "WORLD_SIZE=4"));
  EXPECT_TRUE(mentions(refusal(with(torchrun(), "RANK", "0")), "LOCAL_RANK=1", "RANK=0"));
}

TEST(Contract, MalformedNumbersAreRefused) {
  for (const auto& [name, value] : {std::pair{"RANK", "one"},
                                    {"RANK", "-1"},
                                    {"WORLD_SIZE", "0"},
                                    {"WORLD_SIZE", "4x"},
                                    {"LOCAL_RANK", "1.0"},
                                    {"MASTER_PORT", "0"},
                                    {"MASTER_PORT", "65535"},
                                    {"WORLD_SIZE", "99999999999999999999"}}) {
    const std::string message = refusal(with(torchrun(), name, value));
    EXPECT_NE(message.find(std::string(name) + "=" + value), std::string::npos) << message;
  }
}

TEST(Contract, OurSupervisorsRanksWinOverALauncher) {
  Variables variables = torchrun();
  variables.merge(supervisor_variables("/tmp/somewhere", 1, 2));
  const Contract contract = read_contract(variables);
  EXPECT_EQ(contract.source, Contract::Source::supervisor);
  EXPECT_EQ(contract.rank, 1);
  EXPECT_EQ(contract.world_size, 2);
  EXPECT_EQ(contract.local_world_size, 2);
  EXPECT_EQ(contract.directory, "/tmp/somewhere");
}

TEST(Contract, HalfOfThePrivateVariablesIsAnError) {
  EXPECT_NE(refusal({{"DML_RANK", "0"}}).find("DML_WORLD_SIZE and DML_LAUNCH_DIRECTORY"), std::string::npos);
}

/// A watchdog ends the process while the main thread waits for a device that does not answer.
TEST(RankContext, EndsTheProcessWhateverItsOtherThreadsWaitFor) {
  const auto ends = [] {
    RankContext context;
    context.rank = 1;
    std::thread watchdog([&] { end_process(context, PeerError("all_reduce timed out")); });
    watchdog.join();  // which never comes
  };
  EXPECT_EXIT(ends(), testing::ExitedWithCode(69), "dml_engine: error: rank 1: all_reduce timed out");
}

}  // namespace
}  // namespace dml
