// A shared library with one function, for the test of kernels/base/shared_library.h.
extern "C" int dml_small_library_double(int value) {
  return 2 * value;
}
