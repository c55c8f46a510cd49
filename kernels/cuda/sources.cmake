# What is compiled twice: for a GPU (kernels/cuda/CMakeLists.txt) and for the emulator (kernels/emulator/CMakeLists.txt).

# Host code: what a stage consists of. Paths from kernels/cuda.
set(DML_DEVICE_SOURCES
  convolution_step.cpp
  device_backend.cpp
  device_executable.cpp
  device_optimizer.cpp
  device_step_loop.cpp
  linear_step.cpp
  pointwise_step.cpp
  resident_data.cpp)

# Kernels and their launchers.
set(DML_KERNEL_SOURCES)
foreach(kernel IN ITEMS
    conv2d_direct_forward.cu
    conv2d_direct_input_gradient.cu
    conv2d_direct_weight_gradient.cu
    conv2d_tiled.cu
    conv2d_window_planes.cu
    conv2d_window_weight_gradient.cu
    group_sums.cu
    linear.cu
    max_pool.cu
    optimizer.cu
    pointwise.cu
    softmax_cross_entropy.cu)
  if(EXISTS "${CMAKE_CURRENT_LIST_DIR}/${kernel}")
    list(APPEND DML_KERNEL_SOURCES ${kernel})
  endif()
endforeach()
