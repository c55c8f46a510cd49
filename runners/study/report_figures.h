// The figures of a section: from its summary to a drawing, how to read it, and the numbers in it. Nothing
// where nothing was measured.
#pragma once

#include <optional>

#include "runners/report/document.h"
#include "runners/study/summary.h"

namespace dml {

std::optional<report::Figure> accuracy_figure(const ComparisonSummary& comparison);
std::optional<report::Figure> time_figure(const ComparisonSummary& comparison);
std::optional<report::Figure> loss_figure(const ComparisonSummary& comparison);
std::optional<report::Figure> accuracy_curve_figure(const ComparisonSummary& comparison);
std::optional<report::Figure> speed_figure(const StudySummary& study, const ComparisonSummary& comparison);
/// From the trace.json of each arm's first run.
std::optional<report::Figure> timeline_figure(const StudySummary& study, const ComparisonSummary& comparison);
std::optional<report::Figure> bytes_figure(const ComparisonSummary& comparison);
/// Replica x class, one panel a sampler.
std::optional<report::Figure> partition_figure(const ComparisonSummary& comparison);
std::optional<report::TableBlock> partition_table(const ComparisonSummary& comparison);

}  // namespace dml
