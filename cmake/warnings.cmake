# The warnings every target of ours is compiled with.
add_library(dml_warnings INTERFACE)
# -Wrestrict of g++ 12 reports std::string's own code (GCC bug 105651).
target_compile_options(dml_warnings INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wnon-virtual-dtor;-Woverloaded-virtual;-Wcast-qual;-Wimplicit-fallthrough>"
  "$<$<COMPILE_LANGUAGE:CUDA>:--compiler-options=-Wall,-Wextra,-Wshadow>"
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${DML_WARNINGS_AS_ERRORS}>>:-Werror>
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${DML_WARNINGS_AS_ERRORS}>>:--Werror=all-warnings>)
