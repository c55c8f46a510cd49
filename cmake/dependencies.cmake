# Every library the project uses; all of them are Debian packages, listed once in ./quickstart.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(dnnl CONFIG REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(Gloo CONFIG REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(cxxopts CONFIG REQUIRED)

find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
add_library(dml_xxhash INTERFACE)
target_include_directories(dml_xxhash SYSTEM INTERFACE "${XXHASH_INCLUDE_DIR}")
target_link_libraries(dml_xxhash INTERFACE "${XXHASH_LIBRARY}")

if(DML_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
endif()

# The CUDA toolkit is detected and reported; nothing needs it yet.
find_package(CUDAToolkit QUIET)
if(CUDAToolkit_FOUND)
  message(STATUS "CUDA toolkit ${CUDAToolkit_VERSION} found (${CUDAToolkit_BIN_DIR})")
else()
  message(STATUS "CUDA toolkit not found: building for the CPU only")
endif()
