// Which build this is.
#pragma once

namespace dml {

/// "0.1.0"
const char* version();
/// The git revision the build was made from, "-dirty" appended when files had changed; "unknown" outside git.
const char* git_revision();

}  // namespace dml
