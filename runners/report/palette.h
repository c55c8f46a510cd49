// Which colour means what, as names of classes; style.h holds the colours, for light and dark.
//
// Arms keep one colour through a report: their position in the list of arms. The colours follow Okabe and
// Ito (Color Universal Design, 2008), darkened for white paper and lightened for dark screens, so that
// neighbours differ in lightness as well as in hue. From the ninth arm on lines are dashed, because no more
// than eight hues can be told apart by everyone; names always stand beside the colours.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace dml::report {

/// What a rank spends its time on.
enum class Activity { compute, communication, wait, other };

inline constexpr std::size_t kArmColors = 8;

/// "arm-3": fills and strokes of that arm.
std::string arm_class(std::size_t arm);
/// True from the ninth arm on.
bool arm_is_dashed(std::size_t arm);

/// "compute"
std::string activity_name(Activity activity);
/// "activity-compute"
std::string activity_class(Activity activity);
const std::vector<Activity>& all_activities();

inline constexpr int kHeatSteps = 8;
/// 0 for none at all, otherwise 1 .. kHeatSteps; the largest value has the last step. Steps grow with the
/// square root, because counts are skewed: one replica that has most of a class would leave all others pale.
int heat_step(double value, double largest);
/// The largest value of a step.
double heat_step_end(int step, double largest);

}  // namespace dml::report
