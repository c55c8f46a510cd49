# dml_library(NAME SOURCES ... [LIBRARIES ...] [PRIVATE_LIBRARIES ...]): one room of the house as a static
# library. Includes are written from the repository root ("kernels/base/error.h").
function(dml_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES;PRIVATE_LIBRARIES" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PUBLIC ${ARG_LIBRARIES} PRIVATE ${ARG_PRIVATE_LIBRARIES} dml_warnings)
endfunction()
