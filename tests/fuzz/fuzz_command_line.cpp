// Command lines. The input is one word per line; a line "NAME=value" whose name is in capitals is an
// environment variable instead. What is refused is refused in a short paragraph; what is accepted makes
// sense.
#include <cctype>

#include "engine/model/zoo.h"
#include "runners/cli/parse.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

using dml::fuzz::require;

struct Input {
  std::vector<std::string> words;
  dml::Environment environment;
};

Input split(std::string_view text) {
  Input input;
  input.environment.usable_cores = 4;
  input.environment.find_gpus = [] { return dml::NvidiaInventory{"no NVIDIA driver", "", {}}; };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = line.find('=');
    if (equals != std::string::npos && std::isupper(static_cast<unsigned char>(line[0])) != 0) {
      input.environment.variables[line.substr(0, equals)] = line.substr(equals + 1);
    } else {
      // The words of a real command line cannot hold a zero byte.
      input.words.push_back(line.substr(0, line.find('\0')));
    }
  }
  return input;
}

void check_message(const std::string& message) {
  require(!message.empty() && message[0] != '\n', "an error says something");
}

void check_configuration(const dml::Invocation& invocation) {
  const dml::RunConfig& config = invocation.config;
  const dml::ParallelOptions& parallel = config.parallel;
  require(config.threads >= 1 && config.batch >= 1 && parallel.ranks >= 1, "counts are positive");
  require(config.learning_rate.lr > 0 && config.learning_rate.lr < 1e7, "the learning rate is a number");
  require(config.optimizer.momentum >= 0 && config.optimizer.momentum < 1, "the momentum is below 1");
  require(!invocation.contract.is_rank() || invocation.contract.world_size == parallel.ranks,
          "flags and environment agree on the ranks");
  if (parallel.mode == dml::Mode::data_parallel) {
    require(config.batch >= parallel.ranks * parallel.accumulate,
            "every slice of every replica has a sample");
  }
  if (parallel.mode == dml::Mode::model_parallel) {
    require(parallel.ranks == static_cast<int>(parallel.split.size()) + 1, "one rank per stage");
    require(config.batch >= parallel.micro_batches, "every micro-batch has a sample");
    int last = 0;
    for (const int cut : parallel.split) {
      require(cut > last, "cuts rise");
      last = cut;
    }
    require(last < dml::model_by_name(config.model).layer_count(), "cuts lie inside the model");
  }
  if (parallel.mode == dml::Mode::single) require(parallel.ranks == 1, "single has one rank");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Input input = split({reinterpret_cast<const char*>(data), size});
  try {
    const dml::Invocation invocation = dml::parse_command_line(input.words, input.environment);
    switch (invocation.command) {
      case dml::Command::train:
      case dml::Command::evaluate:
      case dml::Command::benchmark:
        check_configuration(invocation);
        break;
      default:
        break;
    }
    require(!dml::format_settings(invocation.settings).empty(), "settings can be shown");
    require(!dml::format_settings_json("train", invocation.settings).empty(),
            "settings can be shown as JSON");
    require(!dml::canonical_configuration(invocation.config).empty(), "a configuration can be written");
  } catch (const dml::UsageError& error) {
    check_message(error.what());
  } catch (const dml::UnavailableError& error) {
    check_message(error.what());
  }
  return 0;
}
