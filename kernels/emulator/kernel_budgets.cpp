#include "kernels/emulator/kernel_budgets.h"

#include <algorithm>
#include <array>
#include <vector>

namespace dml::emulator {
namespace {

constexpr std::size_t kRegistersPerAllocation = 256;  // a warp takes whole ones
constexpr std::size_t kWarp = 32;

// Made from the table when the build is configured, a line for each variant: {kernel, registers, bytes of
// static shared memory, threads}.
constexpr auto kVariants = std::to_array<KernelBudget>({
#include <kernel_budgets.inc>
});

std::vector<KernelBudget> merged() {
  std::vector<KernelBudget> budgets;
  for (const KernelBudget& variant : kVariants) {
    const auto known = std::ranges::find(budgets, variant.kernel, &KernelBudget::kernel);
    if (known == budgets.end()) {
      budgets.push_back(variant);
      continue;
    }
    known->registers = std::max(known->registers, variant.registers);
    known->shared_bytes = std::max(known->shared_bytes, variant.shared_bytes);
    known->threads = std::min(known->threads, variant.threads);
    ++known->variants;
  }
  return budgets;
}

}  // namespace

std::span<const KernelBudget> kernel_budgets() {
  static const std::vector<KernelBudget> budgets = merged();
  return budgets;
}

const KernelBudget* budget_of(std::string_view launch) {
  const std::string_view kernel = launch.substr(0, launch.find('('));
  const auto found = std::ranges::find(kernel_budgets(), kernel, &KernelBudget::kernel);
  return found == kernel_budgets().end() ? nullptr : &*found;
}

std::size_t registers_of_block(const KernelBudget& budget, std::size_t threads) {
  const std::size_t of_a_warp = (budget.registers * kWarp + kRegistersPerAllocation - 1) /
                                kRegistersPerAllocation * kRegistersPerAllocation;
  return of_a_warp * ((threads + kWarp - 1) / kWarp);
}

}  // namespace dml::emulator
