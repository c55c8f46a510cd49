#include "runners/study/definition.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

#include "kernels/base/error.h"
#include "runners/cli/flags.h"
#include "runners/cli/suggest.h"
#include "runners/cli/values.h"

namespace dml {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

namespace {

constexpr std::uint64_t kMostSeeds = 1000;

/// Flags of `train` that belong to the study itself or to a run's output.
bool belongs_to_the_study(std::string_view flag) {
  static const std::vector<std::string_view> kFlags = {
      "seed",    "run-dir",    "save-to",         "checkpoint-every",  "resume",        "json", "quiet",
      "dry-run", "rendezvous", "explain-kernels", "explain-partition", "batch-per-rank"};
  return std::find(kFlags.begin(), kFlags.end(), flag) != kFlags.end();
}

bool is_run_flag(const std::string& key) {
  const FlagSpec* const flag = find_flag(key);
  return flag != nullptr && (flag->commands & bit_of(Command::train)) != 0 && !belongs_to_the_study(key);
}

std::vector<std::string> known_keys() {
  std::vector<std::string> keys = {"question", "seeds", "baseline", "batch-policy"};
  for (const FlagSpec& flag : flag_specs()) {
    if (is_run_flag(std::string(flag.name))) keys.emplace_back(flag.name);
  }
  return keys;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

[[noreturn]] void refuse_key(const std::string& place, const std::string& key) {
  if (key == "seed") throw UsageError(place + ": a study has seeds. Write for example seeds = 0..4.");
  if (key == "batch-per-rank") {
    throw UsageError(place +
                     ": what a batch means is a policy. Write batch = N and batch-policy = per-rank.");
  }
  std::string message = place + ": a study has no key " + shown(key) + ".";
  if (find_flag(key) != nullptr) {
    message += " This flag belongs to single runs.";
  } else if (const auto near = nearest(key, known_keys())) {
    message += " Did you mean " + *near + "?";
  } else {
    message += " Keys are the flags of `train` without dashes, and question, seeds, baseline, batch-policy.";
  }
  throw UsageError(message);
}

/// Reads lines into a definition.
class StudyReader {
 public:
  StudyReader(const std::string& name, StudySource source) : name_(name), source_(source) {}

  StudyDefinition read(const std::string& text) {
    std::string lines = text;
    if (source_ == StudySource::grid) std::replace(lines.begin(), lines.end(), ';', '\n');
    std::istringstream stream(lines);
    for (std::string line; std::getline(stream, line);) {
      ++line_;
      read_line(trimmed(line.substr(0, line.find('#'))));
    }
    if (study_.sections.empty()) move_defaults_into_a_section();
    if (study_.seeds.empty()) study_.seeds = {0};
    return std::move(study_);
  }

 private:
  [[nodiscard]] std::string place() const {
    return source_ == StudySource::file ? name_ + ", line " + std::to_string(line_) : name_;
  }

  void read_line(const std::string& line) {
    if (line.empty()) return;
    if (line.front() == '[') return begin_section(line);
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) {
      throw UsageError(place() + ": " + shown(line) + " is no setting. Write KEY = VALUE, or [SECTION].");
    }
    const std::string key = trimmed(line.substr(0, equals)), value = trimmed(line.substr(equals + 1));
    const std::string where = place() + ", " + shown(key);
    if (value.empty()) throw UsageError(where + ": the value is missing. Write " + key + " = VALUE.");
    read_setting({key, words_of(value), where}, value);
  }

  void begin_section(const std::string& line) {
    const std::string name = line.back() == ']' ? trimmed(line.substr(1, line.size() - 2)) : "";
    const bool is_word = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
      return std::isalnum(letter) != 0 || letter == '-' || letter == '_';
    });
    if (!is_word) {
      throw UsageError(
          place() + ": " + shown(line) +
          " is no section. Write its name, of letters, digits and dashes, in brackets: [sampling].");
    }
    for (const StudySection& section : study_.sections) {
      if (section.name == name) throw UsageError(place() + ": the section " + name + " is there already.");
    }
    study_.sections.push_back({.name = name, .question = {}, .baseline = {}, .settings = {}});
  }

  void read_setting(StudySetting setting, const std::string& text) {
    StudySection* const section = study_.sections.empty() ? nullptr : &study_.sections.back();
    if (setting.key == "question") {
      std::string& question = section == nullptr ? study_.question : section->question;
      if (!question.empty()) throw UsageError(setting.origin + ": there is one already.");
      question = text;
    } else if (setting.key == "seeds") {
      if (section != nullptr && source_ == StudySource::file) {
        throw UsageError(setting.origin +
                         ": all sections have the same seeds. Write them before the first one.");
      }
      if (!study_.seeds.empty()) throw UsageError(setting.origin + ": they are given already.");
      study_.seeds = parse_seeds(setting.values, setting.origin);
    } else if (setting.key == "baseline") {
      StudySetting& baseline = section == nullptr ? baseline_ : section->baseline;
      if (!baseline.values.empty()) throw UsageError(setting.origin + ": there is one already.");
      baseline = std::move(setting);
    } else {
      if (setting.key != "batch-policy" && !is_run_flag(setting.key)) refuse_key(setting.origin, setting.key);
      add(section == nullptr ? study_.defaults : section->settings, std::move(setting));
    }
  }

  static void add(std::vector<StudySetting>& settings, StudySetting setting) {
    const bool twice = std::any_of(settings.begin(), settings.end(),
                                   [&](const StudySetting& other) { return other.key == setting.key; });
    if (twice)
      throw UsageError(setting.origin + ": the key is there already. Write all its values in one line.");
    std::vector<std::string> sorted = setting.values;
    std::sort(sorted.begin(), sorted.end());
    const auto same = std::adjacent_find(sorted.begin(), sorted.end());
    if (same != sorted.end()) throw UsageError(setting.origin + ": the value " + *same + " is there twice.");
    settings.push_back(std::move(setting));
  }

  /// A study without sections is one comparison.
  void move_defaults_into_a_section() {
    if (study_.defaults.empty()) {
      throw UsageError(name_ + ": there is nothing to compare. Write for example sampler = balanced random.");
    }
    study_.sections.push_back({.name = "comparison",
                               .question = study_.question,
                               .baseline = baseline_,
                               .settings = std::move(study_.defaults)});
    study_.defaults.clear();
  }

  const std::string& name_;
  StudySource source_;
  int line_ = 0;
  StudySetting baseline_;
  StudyDefinition study_;
};

}  // namespace

std::vector<std::uint64_t> parse_seeds(const std::vector<std::string>& values, const std::string& origin) {
  std::vector<std::uint64_t> seeds;
  for (const std::string& word : values) {
    const std::size_t dots = word.find("..");
    const auto number = [&](const std::string& text) {
      std::uint64_t value = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || end != text.data() + text.size()) {
        throw UsageError(origin + ": " + shown(word) +
                         " is no seed. Write numbers (0 1 2) or a range (0..4).");
      }
      return value;
    };
    const std::uint64_t first = number(word.substr(0, dots));
    const std::uint64_t last = dots == std::string::npos ? first : number(word.substr(dots + 2));
    if (last < first || last - first >= kMostSeeds || seeds.size() + (last - first) >= kMostSeeds) {
      throw UsageError(origin + ": " + shown(word) + " is no range of seeds: it must rise, and " +
                       std::to_string(kMostSeeds) + " seeds are the most.");
    }
    for (std::uint64_t seed = first;; ++seed) {
      if (std::find(seeds.begin(), seeds.end(), seed) != seeds.end()) {
        throw UsageError(origin + ": the seed " + std::to_string(seed) + " is there twice.");
      }
      seeds.push_back(seed);
      if (seed == last) break;
    }
  }
  return seeds;
}

StudyDefinition parse_study(const std::string& text, const std::string& name, StudySource source) {
  return StudyReader(name, source).read(text);
}

void override_setting(StudyDefinition& study, const std::string& key, const std::string& value) {
  const auto is_it = [&](const StudySetting& setting) { return setting.key == key; };
  std::erase_if(study.defaults, is_it);
  for (StudySection& section : study.sections) std::erase_if(section.settings, is_it);
  study.defaults.push_back({key, {value}, "--" + key});
}

}  // namespace dml
