// `report`: what a study or a run shows, as report.html, and as report.md with its figures beside it.
#pragma once

#include <string>

#include "runners/report/document.h"
#include "runners/study/summary.h"

namespace dml {

/// The whole report as data.
report::Document make_report(const StudySummary& summary);

/// Writes report.html, report.md and figures/ into the folder of a study or a run and prints what was found;
/// with `json` as an object. Returns 0. Throws UsageError when the folder holds neither, IoError.
int write_report(const std::string& directory, bool json);

}  // namespace dml
