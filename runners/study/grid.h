// From what a study asks to the runs it consists of.
//
// An arm is one combination of a section's values: the flags of one run but for the seed. Settings that mean
// nothing to an arm's mode (ranks in single, aggregate in model-parallel) are left out of it, and arms that
// become the same by that are one. Sections may share arms: a run is made once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runners/cli/environment.h"
#include "runners/cli/invocation.h"
#include "runners/study/definition.h"

namespace dml {

struct StudyArm {
  std::string name;                           ///< by what tells it from the others of its section
  std::map<std::string, std::string> values;  ///< its settings
  std::vector<std::string> arguments;         ///< the flags of its runs, without the seed
  RunConfig config;                           ///< as the command line reads them, with the first seed
};

struct StudyComparison {
  std::string name, question;
  std::size_t baseline = 0;
  std::vector<StudyArm> arms;
};

struct StudyGrid {
  std::string question;
  std::vector<std::uint64_t> seeds;
  std::vector<StudyComparison> comparisons;
};

/// One run: an arm with a seed.
struct StudyRun {
  std::string id;  ///< the same for the same flags and seed; also the name of its folder
  std::uint64_t seed = 0;
  std::vector<std::string> arguments;  ///< of `train`, the seed among them
  std::string title;                   ///< "sampling / random, seed 3"
};

/// Throws UsageError naming where the study says it when a combination cannot run, as the command line would,
/// when no arm uses a section's setting, or a baseline names no arm or several. Nothing is run.
StudyGrid expand_study(const StudyDefinition& definition, const Environment& environment);

/// Every run once, seed by seed, so that a slow hour of the machine falls on all arms alike.
std::vector<StudyRun> runs_of(const StudyGrid& grid);

/// The run of an arm with a seed.
std::string run_id(const StudyArm& arm, std::uint64_t seed);

/// Holds every arm's sampler against the data set, with every seed. Throws UsageError naming section and arm
/// where a partition is impossible, with the nearest possible one; what load_dataset() throws.
void check_samplers(const StudyGrid& grid);

}  // namespace dml
