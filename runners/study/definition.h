// What a study asks and of which runs it consists, as its author wrote it.
//
//   question = Who has which samples?      # for the whole study, and the defaults of its sections
//   epochs = 2
//   seeds = 0..4
//
//   [sampling]                             # a comparison of its own
//   mode = data-parallel
//   sampler = balanced random              # several values, with blanks between: an axis of the grid
//   baseline = sampler=balanced            # [the first arm]
//
// Keys are the flags of `train` without their dashes, and question, seeds, baseline and batch-policy. A value
// `none` leaves the flag out. Lines end at '#'. In --grid the same stands in one line, with ';' for ends.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace dml {

/// One key with its values.
struct StudySetting {
  std::string key;
  std::vector<std::string> values;
  std::string origin;  ///< "lab.study, line 12, sampler" or "--grid, sampler": where messages point
};

struct StudySection {
  std::string name;
  std::string question;
  StudySetting baseline;               ///< "key=value" words that name one arm; none: the first
  std::vector<StudySetting> settings;  ///< its own, in the order written; they override the study's
};

struct StudyDefinition {
  std::string question;
  std::vector<std::uint64_t> seeds;  ///< each arm is run with each of them
  std::vector<StudySetting> defaults;
  std::vector<StudySection> sections;
};

/// Where a definition comes from, for messages.
enum class StudySource { file, grid };

/// Parses `text`; `name` is the file's, or "--grid". Throws UsageError naming line and key for what is not
/// understood: no key, an unknown or repeated one (with the nearest that is known), a value that is missing,
/// a section named twice, seeds that are no numbers.
StudyDefinition parse_study(const std::string& text, const std::string& name, StudySource source);

/// What stands between blanks.
std::vector<std::string> words_of(const std::string& text);

/// "0..4" or "3 1 4": throws UsageError beginning with `origin`.
std::vector<std::uint64_t> parse_seeds(const std::vector<std::string>& values, const std::string& origin);

/// A flag that was typed beside --study or --grid: it overrides the study's defaults and its sections.
void override_setting(StudyDefinition& study, const std::string& key, const std::string& value);

}  // namespace dml
