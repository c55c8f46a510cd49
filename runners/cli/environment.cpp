#include "runners/cli/environment.h"

#include <unistd.h>

#include "runners/launch/cores.h"

namespace dml {

Environment read_environment(const std::string& program) {
  Environment environment;
  if (!program.empty()) environment.program = program;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos)
      environment.variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  environment.usable_cores = usable_cores();
  return environment;
}

}  // namespace dml
