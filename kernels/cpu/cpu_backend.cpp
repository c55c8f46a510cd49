#include "kernels/cpu/cpu_backend.h"

#include <string>

#include "kernels/base/empty_executable.h"
#include "kernels/base/lowering.h"
#include "kernels/cpu/cpu_executable.h"
#include "kernels/cpu/cpu_optimizer.h"

namespace dml {
namespace {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads) : threads_(threads) {}

  [[nodiscard]] std::string name() const override { return "cpu"; }
  [[nodiscard]] DType dtype() const override { return DType::f32; }

  [[nodiscard]] std::unique_ptr<Executable> compile(std::span<const Operation> operations,
                                                    ParameterBinding& parameters, const DataBinding& data,
                                                    const CompileOptions& options) override {
    check_operations(operations);
    if (sample_count(operations) == 0) return std::make_unique<EmptyExecutable>(operations, parameters);
    return std::make_unique<cpu::CpuExecutable>(onednn_, threads_, operations, parameters, data, options);
  }

  [[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                                          ParameterBinding& parameters, View state,
                                                          std::int64_t first, std::int64_t count) override {
    return cpu::make_cpu_optimizer(threads_, options, parameters, state, first, count);
  }

 private:
  int threads_;
  cpu::Onednn onednn_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  if (threads <= 0) {
    throw UsageError("--threads " + std::to_string(threads) + ": a rank needs at least one thread");
  }
  return std::make_unique<CpuBackend>(threads);
}

}  // namespace dml
