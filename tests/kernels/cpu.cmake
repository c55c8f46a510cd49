# The CPU backend: its tests, and a benchmark that is built but is no test.
add_executable(cpu_step_benchmark cpu_step_benchmark.cpp)
target_link_libraries(cpu_step_benchmark PRIVATE dml_cpu dml_kernel_testbed DNNL::dnnl OpenMP::OpenMP_CXX dml_warnings)
dml_test(kernels_cpu_operations_test SOURCES cpu_operations_test.cpp LIBRARIES dml_cpu dml_kernel_testbed)
