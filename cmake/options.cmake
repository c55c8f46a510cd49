# What a builder may choose, and the defaults every target shares.
option(DML_BUILD_TESTS "Build the tests" ON)
option(DML_BUILD_FUZZERS "Build the libFuzzer targets (needs clang)" OFF)
option(DML_WARNINGS_AS_ERRORS "Treat warnings as errors" ON)
option(DML_NATIVE "Tune our own CPU code for the machine that builds it" OFF)
set(DML_SANITIZE "" CACHE STRING "Sanitizers to build with: empty, 'address,undefined' or 'thread'")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(DML_CCACHE ccache)
if(DML_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${DML_CCACHE}")
endif()
