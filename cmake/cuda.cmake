# The CUDA toolkit is used where it is found; everything else builds without it.
#
# Defines DML_CUDA: whether the CUDA backend is built. -DDML_CUDA_BACKEND=OFF leaves it out, ON insists on it.
set(DML_CUDA_BACKEND AUTO CACHE STRING "Build the CUDA backend: AUTO (where nvcc is found), ON or OFF")
set(DML_CUDA_ARCHITECTURES 90 CACHE STRING "Compute capabilities to compile kernels for: 80;90")

set(DML_CUDA OFF)
if(DML_SANITIZE)
  message(STATUS "CUDA: left out, sanitizers do not know device code")
elseif(NOT DML_CUDA_BACKEND STREQUAL "OFF")
  # nvcc's folder need not be on PATH: the toolkit's own default place is looked at too.
  find_program(DML_NVCC nvcc HINTS ENV CUDA_PATH ENV CUDA_HOME PATHS /usr/local/cuda/bin)
  if(DML_NVCC)
    set(CMAKE_CUDA_COMPILER "${DML_NVCC}")
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
    set(CMAKE_CUDA_ARCHITECTURES "${DML_CUDA_ARCHITECTURES}")
    enable_language(CUDA)
    # CMake before 3.25.2 does not know that nvcc speaks C++20: told here, before the standard is asked for.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    find_package(CUDAToolkit REQUIRED)
    set(DML_CUDA ON)
    # The oldest of them: PTX goes along, so that newer GPUs than those named run too.
    set(DML_LEAST_COMPUTE_CAPABILITY 999)
    foreach(architecture IN LISTS DML_CUDA_ARCHITECTURES)
      if(NOT architecture MATCHES "^([0-9]+)")
        set(CMAKE_MATCH_1 80)  # native, all, all-major: what our kernels need
      elseif(CMAKE_MATCH_1 LESS 80)
        message(FATAL_ERROR "DML_CUDA_ARCHITECTURES=${DML_CUDA_ARCHITECTURES}: the kernels need compute capability 8.0 (80) or newer")
      endif()
      if(CMAKE_MATCH_1 LESS DML_LEAST_COMPUTE_CAPABILITY)
        set(DML_LEAST_COMPUTE_CAPABILITY ${CMAKE_MATCH_1})
      endif()
    endforeach()
    message(STATUS "CUDA ${CUDAToolkit_VERSION} (${CUDAToolkit_BIN_DIR}), kernels for sm_${DML_CUDA_ARCHITECTURES}")
  elseif(DML_CUDA_BACKEND STREQUAL "ON")
    message(FATAL_ERROR "DML_CUDA_BACKEND=ON, but nvcc was found neither on PATH nor in /usr/local/cuda/bin")
  else()
    message(STATUS "CUDA: no nvcc found, building without the CUDA backend")
  endif()
endif()
