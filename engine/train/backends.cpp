#include "engine/train/backends.h"

#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"

namespace dml {

std::unique_ptr<Backend> make_backend(Device device, Precision precision, int threads) {
  if (precision == Precision::fp64) return make_reference_backend();
  switch (device) {
    case Device::cpu:
      return make_cpu_backend(threads);
  }
  throw InternalError("unknown device");
}

}  // namespace dml
