# The CPU backend: its tests, and a benchmark that is built but is no test.
dml_test(kernels_cpu_operations_test SOURCES cpu_operations_test.cpp LIBRARIES dml_cpu dml_kernel_testbed)
dml_test(kernels_cpu_executable_test SOURCES cpu_executable_test.cpp
         LIBRARIES dml_cpu dml_kernel_testbed DNNL::dnnl)
# Threads that wait by spinning would fight with the other tests over two cores.
set_tests_properties(kernels_cpu_operations_test kernels_cpu_executable_test
                     PROPERTIES ENVIRONMENT "OMP_WAIT_POLICY=passive")

add_executable(cpu_step_benchmark cpu_step_benchmark.cpp)
target_link_libraries(cpu_step_benchmark PRIVATE dml_cpu dml_kernel_testbed DNNL::dnnl OpenMP::OpenMP_CXX
                      dml_warnings)
