#include "runners/report/palette.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/error.h"

namespace dml::report {

std::string arm_class(std::size_t arm) {
  return "arm-" + std::to_string(arm % kArmColors);
}

bool arm_is_dashed(std::size_t arm) {
  return arm / kArmColors % 2 == 1;
}

std::string activity_name(Activity activity) {
  switch (activity) {
    case Activity::compute:
      return "compute";
    case Activity::communication:
      return "communication";
    case Activity::wait:
      return "wait";
    case Activity::other:
      return "other";
  }
  DML_ASSERT(false, "an activity without a name");
}

std::string activity_class(Activity activity) {
  return "activity-" + activity_name(activity);
}

const std::vector<Activity>& all_activities() {
  static const std::vector<Activity> activities = {Activity::compute, Activity::communication, Activity::wait,
                                                   Activity::other};
  return activities;
}

int heat_step(double value, double largest) {
  if (!(value > 0) || !(largest > 0)) return 0;
  return std::clamp(static_cast<int>(std::ceil(std::sqrt(value / largest) * kHeatSteps)), 1, kHeatSteps);
}

double heat_step_end(int step, double largest) {
  const double root = static_cast<double>(step) / kHeatSteps;
  return root * root * largest;
}

}  // namespace dml::report
