// What the numbers of a study support, as sentences: pure functions, so that a test can hold them against the
// numbers.
//
// A difference in accuracy is claimed where the paired test, corrected for all arms of the section (Holm), is
// below kLevel; where none is found, the sentence says which one would have been. Speed is compared by the
// interval of the paired ratio. Nothing else is claimed.
#pragma once

#include <string>
#include <vector>

#include "runners/study/summary.h"

namespace dml {

/// "random is 0.52 points less accurate than balanced (95 % interval 0.31 to 0.73 points, p = 0.003, n = 5)".
std::string accuracy_finding(const ComparisonSummary& comparison, const ArmSummary& arm);
/// The same of samples per second; empty for an arm that was not timed against the baseline.
std::string speed_finding(const ComparisonSummary& comparison, const ArmSummary& arm);
/// Which samples an epoch of the arms consumed; arms of which the same can be said stand together.
std::vector<std::string> data_findings(const ComparisonSummary& comparison);
/// Which rank was found to be slow in how many runs, and which one was slowed down; empty when neither.
std::string straggler_finding(const ArmSummary& arm);

/// All of a section, accuracy first; with what is missing or diverged.
std::vector<std::string> findings(const ComparisonSummary& comparison);

/// The section in one sentence, and one more where speed differs: what differs comes first.
std::string answer(const ComparisonSummary& comparison);

}  // namespace dml
