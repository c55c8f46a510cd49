// What one command line asks for, after parsing, checking and filling in defaults.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/run/run_config.h"
#include "runners/cli/settings.h"
#include "runners/launch/contract.h"

namespace dml {

enum class Command { none, train, evaluate, benchmark, study, report, demo, doctor, help, version };

std::string to_string(Command command);

/// How a benchmark measures.
struct BenchmarkOptions {
  std::int64_t warmup_steps = 50;
  std::int64_t steps = 200;  ///< per round
  int rounds = 5;            ///< median and spread are over rounds
};

/// Where a study is defined.
struct StudyOptions {
  std::string file, grid;  ///< one of them is given
  std::string seeds;       ///< overrides the definition's; empty: does not
  std::vector<std::pair<std::string, std::string>> overrides;  ///< other flags that were typed
};

struct Invocation {
  Command command = Command::none;
  RunConfig config;
  BenchmarkOptions benchmark;
  StudyOptions study;
  Contract contract;  ///< who started this process
  std::string
      rendezvous;  ///< --rendezvous host:port; empty: private directory, or MASTER_ADDR:MASTER_PORT + 1
  bool json = false;
  bool quiet = false;
  bool dry_run = false;
  bool explain_kernels = false;
  bool explain_partition = false;
  std::vector<std::string> topic;      ///< words after `help`
  std::vector<std::string> arguments;  ///< the command line as typed, for run.json and for starting ranks
  std::vector<Setting> settings;       ///< every value that decides the run, in the order of `help`

  /// True when the user gave the flag ("epochs") himself.
  [[nodiscard]] bool given(std::string_view flag) const;
  /// True when this process has to start the ranks as processes of their own.
  [[nodiscard]] bool starts_ranks() const { return !contract.is_rank() && config.parallel.ranks > 1; }
};

}  // namespace dml
