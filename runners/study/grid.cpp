#include "runners/study/grid.h"

#include <algorithm>
#include <set>

#include "engine/data/dataset.h"
#include "kernels/base/error.h"
#include "kernels/base/hash.h"
#include "runners/cli/flags.h"
#include "runners/cli/parse.h"
#include "runners/cli/suggest.h"
#include "runners/cli/values.h"
#include "samplers/sampler.h"

namespace dml {
namespace {

constexpr const char* kNone = "none";
constexpr std::size_t kMostArms = 500;

/// Keys whose values say by themselves what they are.
bool speaks_for_itself(const std::string& key) {
  static const std::set<std::string> kKeys = {"mode",      "sampler", "aggregate", "schedule",
                                              "optimizer", "model",   "dataset",   "batch-policy"};
  return kKeys.contains(key);
}

/// Whether a setting means something to runs of a mode.
bool applies(const std::string& key, const std::string& mode) {
  // model-parallel has one rank for each stage, and one batch over all of them.
  static const std::set<std::string> kReplicas = {"aggregate", "bucket-bytes", "local-steps",
                                                  "share",     "ranks",        "batch-policy"};
  static const std::set<std::string> kStages = {"split", "schedule", "micro-batches"};
  if (kReplicas.contains(key)) return mode == "data-parallel";
  if (kStages.contains(key)) return mode == "model-parallel";
  if (key == "accumulate") return mode != "model-parallel";
  if (key == "slow" || key == "gpus") return mode != "single";
  return true;
}

std::string value_or(const std::map<std::string, std::string>& values, const std::string& key,
                     const std::string& fallback) {
  const auto found = values.find(key);
  return found == values.end() ? fallback : found->second;
}

/// --batch or --batch-per-rank, and the learning rate, as the policy has them.
void add_batch(const StudyArm& arm, const std::string& mode, const std::string& origin,
               std::vector<std::string>& arguments) {
  static const std::vector<std::string> kPolicies = {"global", "per-rank", "per-rank-scaled-lr"};
  const std::string policy = value_or(arm.values, "batch-policy", "global");
  if (std::find(kPolicies.begin(), kPolicies.end(), policy) == kPolicies.end()) {
    throw UsageError(origin + ": the batch-policy " + shown(policy) + " is unknown. It must be " +
                     alternatives(kPolicies) + ".");
  }
  const std::string batch = value_or(arm.values, "batch", "32");
  const bool per_rank = policy != "global" && mode == "data-parallel";
  arguments.insert(arguments.end(), {per_rank ? "--batch-per-rank" : "--batch", batch});
  std::string lr = value_or(arm.values, "lr", std::string(find_flag("lr")->fallback));
  if (policy == "per-rank-scaled-lr" && per_rank) {
    const std::string ranks = value_or(arm.values, "ranks", "2");
    lr = format_real(parse_real("lr", lr, {.low = 0, .high = 1e6}, "") *
                     static_cast<double>(parse_integer("ranks", ranks, {1, 1024}, "")));
  }
  arguments.insert(arguments.end(), {"--lr", lr});
}

/// The flags of an arm, in the order of the table of flags: the same settings make the same words.
std::vector<std::string> arguments_of(const StudyArm& arm, const std::string& origin) {
  const std::string mode = value_or(arm.values, "mode", "single");
  std::vector<std::string> arguments = {"--mode", mode};
  add_batch(arm, mode, origin, arguments);
  for (const FlagSpec& flag : flag_specs()) {
    const std::string key(flag.name);
    if (key == "mode" || key == "batch" || key == "lr") continue;
    const auto found = arm.values.find(key);
    if (found == arm.values.end()) continue;
    if (flag.value.empty()) {
      if (found->second != "on" && found->second != "off") {
        throw UsageError(origin + ": " + key + " is a switch. Write on or off.");
      }
      if (found->second == "on") arguments.push_back("--" + key);
      continue;
    }
    arguments.insert(arguments.end(), {"--" + key, found->second});
  }
  return arguments;
}

class Expander {
 public:
  Expander(const StudyDefinition& definition, const StudySection& section, const Environment& environment)
      : definition_(definition), section_(section), environment_(environment) {
    settings_ = section.settings;
    for (const StudySetting& setting : definition.defaults) {
      const bool overridden = std::any_of(settings_.begin(), settings_.end(),
                                          [&](const StudySetting& own) { return own.key == setting.key; });
      if (!overridden) settings_.push_back(setting);
    }
  }

  StudyComparison expand() {
    StudyComparison comparison{
        .name = section_.name, .question = section_.question, .baseline = 0, .arms = {}};
    combine(0, {});
    for (StudyArm& arm : arms_) {
      check(arm);
      check_scaled_rate(arm);
    }
    refuse_unused();
    name_arms();
    comparison.arms = std::move(arms_);
    comparison.baseline = find_baseline(comparison.arms);
    return comparison;
  }

 private:
  [[nodiscard]] std::string origin_of(const std::string& key) const {
    const auto found = std::find_if(settings_.begin(), settings_.end(),
                                    [&](const StudySetting& setting) { return setting.key == key; });
    return found == settings_.end() ? "section " + section_.name : found->origin;
  }

  /// Every combination of the settings from `next` on, with the values chosen so far.
  void combine(std::size_t next, const std::map<std::string, std::string>& values) {
    if (next == settings_.size()) return add(values);
    for (const std::string& value : settings_[next].values) {
      std::map<std::string, std::string> with = values;
      if (value != kNone) with[settings_[next].key] = value;
      combine(next + 1, with);
    }
  }

  void add(const std::map<std::string, std::string>& values) {
    StudyArm arm;
    const std::string mode = value_or(values, "mode", "single");
    for (const auto& [key, value] : values) {
      if (!applies(key, mode)) continue;
      arm.values[key] = value;
      used_.insert(key);
    }
    arm.arguments = arguments_of(arm, origin_of("batch-policy"));
    const bool known = std::any_of(arms_.begin(), arms_.end(),
                                   [&](const StudyArm& other) { return other.arguments == arm.arguments; });
    if (known) return;
    arms_.push_back(std::move(arm));
    if (arms_.size() > kMostArms) {
      throw UsageError("section " + section_.name + ": more than " + std::to_string(kMostArms) +
                       " arms. Give fewer values to some of its keys.");
    }
  }

  /// Lets the command line read the arm, which refuses what cannot run.
  void check(StudyArm& arm) const {
    std::vector<std::string> words = {"train"};
    words.insert(words.end(), arm.arguments.begin(), arm.arguments.end());
    words.insert(words.end(), {"--seed", std::to_string(definition_.seeds.front())});
    try {
      arm.config = parse_command_line(words, environment_).config;
    } catch (const UsageError& error) {
      const std::string message = error.what();  // begins with the flag
      const std::string flag = message.substr(0, message.find_first_of(" :"));
      const std::string place =
          flag.starts_with("--") ? origin_of(flag.substr(2)) : "section " + section_.name;
      throw UsageError(place + ": " + message);
    }
  }

  /// The rate was scaled by a number of ranks that the command line may see otherwise (on GPUs it counts
  /// them).
  void check_scaled_rate(const StudyArm& arm) const {
    const std::string assumed = value_or(arm.values, "ranks", "2");
    const std::string ranks = std::to_string(arm.config.parallel.ranks);
    const bool scaled = value_or(arm.values, "batch-policy", "global") == "per-rank-scaled-lr" &&
                        arm.config.parallel.mode == Mode::data_parallel;
    if (!scaled || ranks == assumed) return;
    throw UsageError(origin_of("batch-policy") + ": the runs would have " + ranks +
                     " ranks, and the rate is scaled by " + assumed + ". Write ranks = " + ranks + ".");
  }

  void refuse_unused() const {
    for (const StudySetting& setting : section_.settings) {
      const bool only_none = setting.values == std::vector<std::string>{kNone};
      if (used_.contains(setting.key) || only_none) continue;
      throw UsageError(setting.origin + ": no arm of section " + section_.name +
                       " uses it in its mode. Leave it out, or add a mode that does.");
    }
  }

  void name_arms() {
    std::vector<std::string> axes;
    std::size_t slow_values = 0;
    for (const StudySetting& setting : settings_) {
      if (setting.values.size() > 1) axes.push_back(setting.key);
      if (setting.key == "slow") slow_values = setting.values.size();
    }
    for (StudyArm& arm : arms_) {
      for (const std::string& key : axes) {
        if (!applies(key, value_or(arm.values, "mode", "single"))) continue;
        const auto value = arm.values.find(key);
        std::string word = value == arm.values.end() ? "no " + key : value->second;
        if (value != arm.values.end() && !speaks_for_itself(key)) word = key + " " + word;
        if (value != arm.values.end() && key == "slow" && slow_values == 2) word = key;  // or none
        arm.name += (arm.name.empty() ? "" : ", ") + word;
      }
      if (arm.name.empty()) arm.name = value_or(arm.values, "mode", "single");
    }
  }

  [[nodiscard]] std::size_t find_baseline(const std::vector<StudyArm>& arms) const {
    const StudySetting& baseline = section_.baseline;
    if (baseline.values.empty()) return 0;
    std::vector<std::size_t> matching;
    for (std::size_t i = 0; i < arms.size(); ++i) {
      const bool matches =
          std::all_of(baseline.values.begin(), baseline.values.end(), [&](const std::string& word) {
            const std::size_t equals = word.find('=');
            if (equals == std::string::npos) {
              throw UsageError(baseline.origin + ": " + shown(word) + " is no condition. Write KEY=VALUE.");
            }
            return value_or(arms[i].values, word.substr(0, equals), kNone) == word.substr(equals + 1);
          });
      if (matches) matching.push_back(i);
    }
    if (matching.size() == 1) return matching.front();
    std::string names;
    for (const StudyArm& arm : arms) names += (names.empty() ? "" : "; ") + arm.name;
    throw UsageError(baseline.origin + ": " + std::to_string(matching.size()) + " arms of section " +
                     section_.name + " are like that, and one must be. They are: " + names + ".");
  }

  const StudyDefinition& definition_;
  const StudySection& section_;
  const Environment& environment_;
  std::vector<StudySetting> settings_;
  std::vector<StudyArm> arms_;
  std::set<std::string> used_;
};

}  // namespace

StudyGrid expand_study(const StudyDefinition& definition, const Environment& environment) {
  StudyGrid grid{.question = definition.question, .seeds = definition.seeds, .comparisons = {}};
  for (const StudySection& section : definition.sections) {
    grid.comparisons.push_back(Expander(definition, section, environment).expand());
  }
  return grid;
}

std::string run_id(const StudyArm& arm, std::uint64_t seed) {
  std::string words;
  for (const std::string& argument : arm.arguments) words += argument + '\n';
  return xxh3(words).substr(5) + "-seed-" + std::to_string(seed);  // without "xxh3:"
}

std::vector<StudyRun> runs_of(const StudyGrid& grid) {
  std::vector<StudyRun> runs;
  std::set<std::string> known;
  for (const std::uint64_t seed : grid.seeds) {
    for (const StudyComparison& comparison : grid.comparisons) {
      for (const StudyArm& arm : comparison.arms) {
        StudyRun run{.id = run_id(arm, seed), .seed = seed, .arguments = arm.arguments, .title = {}};
        if (!known.insert(run.id).second) continue;
        run.arguments.insert(run.arguments.end(), {"--seed", std::to_string(seed)});
        run.title = comparison.name + " / " + arm.name + ", seed " + std::to_string(seed);
        runs.push_back(std::move(run));
      }
    }
  }
  return runs;
}

void check_samplers(const StudyGrid& grid) {
  std::map<std::string, DatasetSplits> data;  // by name, folder and limits
  std::set<std::string> checked;
  for (const StudyComparison& comparison : grid.comparisons) {
    for (const StudyArm& arm : comparison.arms) {
      const RunConfig& config = arm.config;
      const std::string key = config.data.name + "\n" + config.data.directory + "\n" +
                              std::to_string(config.data.limit_train) + "\n" +
                              std::to_string(config.data.limit_test);
      if (!data.contains(key)) data[key] = load_dataset(config.data);
      const Dataset& train = data[key].train;
      const int replicas = config.parallel.mode == Mode::data_parallel ? config.parallel.ranks : 1;
      for (const std::uint64_t seed : grid.seeds) {
        const std::string problem = key + config.sampler + "\n" + std::to_string(replicas) + "\n" +
                                    std::to_string(config.partitions) + "\n" + std::to_string(seed);
        if (!checked.insert(problem).second) continue;
        try {
          static_cast<void>(make_sampler(config.sampler, {.samples = train.samples,
                                                          .replicas = replicas,
                                                          .seed = seed,
                                                          .partitions = config.partitions,
                                                          .labels = train.labels}));
        } catch (const UsageError& error) {
          throw UsageError("section " + comparison.name + ", arm " + arm.name + ", seed " +
                           std::to_string(seed) + ": " + error.what());
        }
      }
    }
  }
}

}  // namespace dml
