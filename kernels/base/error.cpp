#include "kernels/base/error.h"

namespace dml {

void fail_assertion(const char* expression, const char* file, int line, const std::string& message) {
  throw InternalError(std::string("internal error: ") + message + " [" + expression + " is false at " + file +
                      ":" + std::to_string(line) + "]");
}

}  // namespace dml
