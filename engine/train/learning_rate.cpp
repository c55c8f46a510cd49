#include "engine/train/learning_rate.h"

#include <cmath>
#include <numbers>

namespace dml {

double learning_rate(const LearningRateOptions& options, std::int64_t step, std::int64_t epoch,
                     std::int64_t total_steps) {
  double rate = options.lr;
  switch (options.schedule) {
    case LearningRateOptions::Schedule::constant:
      break;
    case LearningRateOptions::Schedule::step: {
      const std::int64_t drops = epoch / options.step_epochs;
      rate *= std::pow(options.gamma, static_cast<double>(drops));
      break;
    }
    case LearningRateOptions::Schedule::cosine:
      rate *=
          (1 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(total_steps))) / 2;
      break;
  }
  if (step < options.warmup_steps) {
    rate *= static_cast<double>(step + 1) / static_cast<double>(options.warmup_steps + 1);
  }
  return rate;
}

}  // namespace dml
