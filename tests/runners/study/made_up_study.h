// Studies whose results are made up, so that a test knows what is in them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runners/study/directory.h"
#include "runners/study/grid.h"

namespace dml::testing {

/// A grid as `text` says, on a machine without GPUs.
StudyGrid made_up_grid(const std::string& text);

/// A result object of a run of `arm` as `train` writes it.
nlohmann::json made_up_result(const StudyArm& arm, double accuracy, double samples_per_second);

/// Records every run of the grid in the folder with what `result_of` says; null: the run's loss became NaN.
void record_all(const std::string& directory, const StudyGrid& grid,
                const std::function<nlohmann::json(const StudyArm&, std::uint64_t seed)>& result_of);

/// A definition that must be refused, and what the message must name.
struct BadStudy {
  std::string text;
  std::vector<std::string> mentions;
};

/// Fails unless `read` refuses bad.text by a UsageError that mentions all of bad.mentions.
void expect_refused(const BadStudy& bad, const std::function<void(const std::string&)>& read);

}  // namespace dml::testing
