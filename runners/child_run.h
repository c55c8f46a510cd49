// A run of this same program as a child process, as a user would start it.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace dml {

struct ChildResult {
  int exit_code = 0;        ///< 128 + n when it died of signal n
  std::string output;       ///< all of its stdout
  std::string last_errors;  ///< the end of its stderr
};

/// Runs /proc/self/exe with `arguments` (the program's name first) to its end. `on_line` gets every line of
/// its stderr as it comes. The child is asked to stop (SIGTERM) when this process dies, and when `stop`,
/// which is looked at several times a second, says so. Throws UnavailableError when it cannot be started.
ChildResult run_child(const std::vector<std::string>& arguments,
                      const std::function<void(const std::string&)>& on_line,
                      const std::function<bool()>& stop = {});

}  // namespace dml
