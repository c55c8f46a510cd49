#include "runners/launch/contract.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

#include "kernels/base/error.h"

namespace dml {
namespace {

constexpr std::array<std::string_view, 3> kIdentity = {"RANK", "WORLD_SIZE", "LOCAL_RANK"};
constexpr std::string_view kLocalWorldSize = "LOCAL_WORLD_SIZE";
constexpr std::array<std::string_view, 2> kMaster = {"MASTER_ADDR", "MASTER_PORT"};
constexpr std::array<std::string_view, 3> kPrivate = {"DML_RANK", "DML_WORLD_SIZE", "DML_LAUNCH_DIRECTORY"};

constexpr int kLargestWorld = 1 << 20;
constexpr int kLargestMasterPort = 65534;  // the ranks use the port above it

std::optional<std::string> lookup(const Variables& variables, std::string_view name) {
  const auto found = variables.find(name);
  if (found == variables.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

int read_integer(const Variables& variables, std::string_view name, int low, int high) {
  const std::string text = *lookup(variables, name);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    throw UsageError(
        "the environment says " + std::string(name) + "=" + text + ", which is not a whole number from " +
        std::to_string(low) + " to " + std::to_string(high) +
        ". Launchers set these variables; correct it, or unset RANK, WORLD_SIZE and LOCAL_RANK to run "
        "without a launcher.");
  }
  return value;
}

template <std::size_t size>
std::vector<std::string_view> missing(const Variables& variables,
                                      const std::array<std::string_view, size>& names) {
  std::vector<std::string_view> result;
  std::copy_if(names.begin(), names.end(), std::back_inserter(result),
               [&](std::string_view name) { return !lookup(variables, name); });
  return result;
}

std::string joined(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += names[i];
  }
  return text;
}

[[noreturn]] void contradiction(const Variables& variables, std::string_view smaller, std::string_view larger,
                                const std::string& rule) {
  throw UsageError("the environment contradicts itself: " + std::string(smaller) + "=" +
                   *lookup(variables, smaller) + " and " + std::string(larger) + "=" +
                   *lookup(variables, larger) + ", but " + rule +
                   ". Correct the launcher, or unset RANK, WORLD_SIZE and LOCAL_RANK to run without one.");
}

Contract read_supervisor(const Variables& variables) {
  if (const auto absent = missing(variables, kPrivate); !absent.empty()) {
    throw UsageError(
        "the environment has some of the variables that dml_engine sets for the ranks it starts, but not " +
        joined(absent) + ". They are private: unset every DML_* variable and start dml_engine again.");
  }
  Contract contract;
  contract.source = Contract::Source::supervisor;
  contract.world_size = read_integer(variables, "DML_WORLD_SIZE", 1, kLargestWorld);
  contract.rank = read_integer(variables, "DML_RANK", 0, contract.world_size - 1);
  contract.local_rank = contract.rank;
  contract.local_world_size = contract.world_size;
  contract.directory = *lookup(variables, "DML_LAUNCH_DIRECTORY");
  return contract;
}

/// Where LOCAL_WORLD_SIZE is not set: with a loopback master all ranks are here, otherwise at least this
/// many.
int guess_local_world_size(const Contract& contract) {
  const std::string& master = contract.master_address;
  const bool everyone_is_here =
      master.empty() || master == "localhost" || master == "::1" || master.starts_with("127.");
  return everyone_is_here ? contract.world_size : contract.local_rank + 1;
}

Contract read_launcher(const Variables& variables) {
  if (const auto absent = missing(variables, kIdentity); !absent.empty()) {
    std::vector<std::string_view> present;
    for (const std::string_view name : kIdentity) {
      if (lookup(variables, name)) present.push_back(name);
    }
    if (lookup(variables, kLocalWorldSize)) present.push_back(kLocalWorldSize);
    throw UsageError(
        "the environment sets " + joined(present) + " but not " + joined(absent) +
        ". A launcher sets RANK, WORLD_SIZE and LOCAL_RANK together: set the missing ones, or unset all "
        "of them to run without a launcher.");
  }
  Contract contract;
  contract.source = Contract::Source::launcher;
  contract.world_size = read_integer(variables, "WORLD_SIZE", 1, kLargestWorld);
  contract.rank = read_integer(variables, "RANK", 0, kLargestWorld);
  contract.local_rank = read_integer(variables, "LOCAL_RANK", 0, kLargestWorld);
  if (contract.rank >= contract.world_size) {
    contradiction(variables, "RANK", "WORLD_SIZE", "ranks are numbered from 0 to WORLD_SIZE - 1");
  }
  if (contract.local_rank > contract.rank) {
    contradiction(variables, "LOCAL_RANK", "RANK",
                  "a rank's number on its host is at most its number in the world");
  }

  const auto absent = missing(variables, kMaster);
  if (absent.size() == 1) {
    const std::string_view present = absent[0] == kMaster[0] ? kMaster[1] : kMaster[0];
    throw UsageError(
        "the environment sets " + std::string(present) + " but not " + std::string(absent[0]) +
        ". Ranks meet at MASTER_ADDR:MASTER_PORT + 1: set both, or pass --rendezvous host:port.");
  }
  if (absent.empty()) {
    contract.master_address = *lookup(variables, "MASTER_ADDR");
    contract.master_port = read_integer(variables, "MASTER_PORT", 1, kLargestMasterPort);
  }

  if (lookup(variables, kLocalWorldSize)) {
    contract.local_world_size = read_integer(variables, kLocalWorldSize, 1, kLargestWorld);
    if (contract.local_world_size > contract.world_size) {
      contradiction(variables, kLocalWorldSize, "WORLD_SIZE", "a host cannot hold more ranks than there are");
    }
    if (contract.local_rank >= contract.local_world_size) {
      contradiction(variables, "LOCAL_RANK", kLocalWorldSize,
                    "the ranks of a host are numbered from 0 to LOCAL_WORLD_SIZE - 1");
    }
  } else {
    contract.local_world_size = guess_local_world_size(contract);
  }
  return contract;
}

}  // namespace

std::string Contract::rendezvous_address() const {
  if (master_address.empty()) return {};
  const bool is_ipv6 = master_address.find(':') != std::string::npos && !master_address.starts_with("[");
  const std::string host = is_ipv6 ? "[" + master_address + "]" : master_address;
  return host + ":" + std::to_string(master_port + 1);
}

Contract read_contract(const Variables& variables) {
  const auto any = [&](const auto& names) {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view name) { return lookup(variables, name); });
  };
  if (any(kPrivate)) return read_supervisor(variables);
  if (any(kIdentity) || lookup(variables, kLocalWorldSize)) return read_launcher(variables);
  return {};
}

Variables supervisor_variables(const std::string& directory, int rank, int world_size) {
  return {{"DML_RANK", std::to_string(rank)},
          {"DML_WORLD_SIZE", std::to_string(world_size)},
          {"DML_LAUNCH_DIRECTORY", directory}};
}

bool is_contract_variable(const std::string& name) {
  const auto contains = [&](const auto& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  return contains(kIdentity) || contains(kMaster) || contains(kPrivate) || name == kLocalWorldSize;
}

}  // namespace dml
