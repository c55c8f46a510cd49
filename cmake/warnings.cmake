# The warnings every target of ours is compiled with.
add_library(dml_warnings INTERFACE)
# -Wrestrict of g++ 12 reports std::string's own code (GCC bug 105651).
target_compile_options(dml_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wimplicit-fallthrough
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
  $<$<BOOL:${DML_WARNINGS_AS_ERRORS}>:-Werror>)
