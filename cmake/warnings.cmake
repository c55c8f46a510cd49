# The warnings every target of ours is compiled with.
add_library(dml_warnings INTERFACE)
target_compile_options(dml_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wimplicit-fallthrough
  $<$<BOOL:${DML_WARNINGS_AS_ERRORS}>:-Werror>)
