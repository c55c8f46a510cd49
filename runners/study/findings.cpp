#include "runners/study/findings.h"

#include <algorithm>
#include <cmath>

#include "runners/text.h"

namespace dml {
namespace {

// Beyond this a difference that "would have been seen" says nothing: accuracies of trained models lie closer.
constexpr double kHugePoints = 20;

/// "; one above 0.40 points would probably have been seen".
std::string detectable_text(std::optional<double> points_seen) {
  if (points_seen && *points_seen <= kHugePoints) {
    return "; one above " + decimal(*points_seen, 2) + " points would probably have been seen";
  }
  return "; with so few seeds and so much spread even one of " + decimal(kHugePoints, 0) +
         " points might have been missed";
}

std::string interval_text(const Interval& interval) {
  return "95 % interval " + decimal(interval.low, 2) + " to " + decimal(interval.high, 2);
}

/// Of how much more or less something is: without a sign, which a word says.
std::string size_interval_text(const Interval& interval) {
  return interval_text(interval.high <= 0 ? Interval{-interval.high, -interval.low} : interval);
}

bool differs(const ArmSummary& arm) {
  return arm.adjusted_p && *arm.adjusted_p < kLevel && !arm.accuracy_difference->identical;
}

std::string p_text(double p) {
  return p < 0.001 ? "p < 0.001" : "p = " + decimal(p, 3);
}

std::string seeds_text(std::int64_t n) {
  return "n = " + std::to_string(n);
}

/// "0.52 points lower"; the sign as a word.
std::string points(double value) {
  return decimal(std::abs(value), 2) + " points";
}

const ArmSummary& baseline_of(const ComparisonSummary& comparison) {
  return comparison.arms[comparison.baseline];
}

/// What the last epoch of an arm's first run consumed, by its ledger; empty when it is not known.
std::string consumed_text(const ArmSummary& arm) {
  if (!arm.result.is_object()) return "";
  const auto ledger = arm.result.find("ledger");
  if (ledger == arm.result.end() || !ledger->is_array() || ledger->empty()) return "";
  const nlohmann::json& last = ledger->back();
  if (!last.at("whole").get<bool>()) return "";
  const double once = last.at("once"), repeated = last.at("repeated"), never = last.at("never");
  if (repeated == 0 && never == 0) return "consumes every sample exactly once";
  const double all = once + repeated + never;
  return "never sees " + percent(never / all, 1) + " of the data set and sees " + percent(repeated / all, 1) +
         " more than once (the last one of the first run)";
}

std::string missing_finding(const ArmSummary& arm) {
  const auto seeds = static_cast<std::int64_t>(arm.accuracy.size());
  std::string text;
  if (arm.diverged > 0) {
    text += arm.name + " diverged in " + std::to_string(arm.diverged) + " of " + plural(seeds, "run") +
            " (its loss became NaN or infinite); those seeds are not in its means.";
  }
  const std::int64_t missing = seeds - arm.finished - arm.diverged;
  if (missing > 0) {
    text += (text.empty() ? "" : " ") + std::to_string(missing) + " of " + plural(seeds, "run") + " of " +
            arm.name + (missing == 1 ? " is" : " are") + " missing: the study is unfinished.";
  }
  return text;
}

/// The largest difference in speed whose interval excludes none, as a sentence; empty without one.
std::string speed_answer(const ComparisonSummary& comparison) {
  const ArmSummary* most = nullptr;
  for (const ArmSummary& arm : comparison.arms) {
    const auto& difference = arm.speed_difference;
    if (!difference || !difference->difference.interval) continue;
    const Interval& interval = *difference->difference.interval;
    if (interval.low <= 0 && interval.high >= 0) continue;
    if (most == nullptr ||
        std::abs(difference->difference.mean) > std::abs(most->speed_difference->difference.mean)) {
      most = &arm;
    }
  }
  if (most == nullptr) return "";
  return most->name + " trains " + decimal(std::exp(most->speed_difference->difference.mean), 2) +
         " times as many samples per second as " + baseline_of(comparison).name + ".";
}

std::string accuracy_answer(const ComparisonSummary& comparison) {
  const std::string& other = baseline_of(comparison).name;
  std::vector<const ArmSummary*> different;
  std::size_t compared = 0;
  std::optional<double> detectable;  // the worst of them
  bool identical = true, tested = false, all_detectable = true;
  for (const ArmSummary& arm : comparison.arms) {
    if (!arm.accuracy_difference) continue;
    ++compared;
    if (differs(arm)) different.push_back(&arm);
    tested = tested || arm.adjusted_p.has_value();
    if (arm.accuracy_difference->identical) continue;
    identical = false;
    all_detectable = all_detectable && arm.detectable.has_value();
    if (arm.detectable) detectable = std::max(detectable.value_or(0), *arm.detectable);
  }
  if (compared == 0) {
    const auto accuracy = over_seeds(baseline_of(comparison).accuracy);
    if (!accuracy) return "Nothing was measured yet.";
    return other + " reaches an accuracy of " + decimal(accuracy->mean, 2) +
           " %; there is nothing to compare it with.";
  }
  if (!tested && !identical) {
    return "One seed cannot tell a difference from " + other + " from chance: more are needed.";
  }
  if (different.empty()) {
    std::string text = compared == 1 ? "No difference in accuracy was found"
                                     : "In none of " + std::to_string(compared) +
                                           " comparisons was a difference in accuracy found";
    text += " against " + other;
    return text +
           (identical ? ": they are equal in every seed"
                      : detectable_text(all_detectable ? detectable : std::nullopt)) +
           ".";
  }
  const ArmSummary& largest =
      **std::max_element(different.begin(), different.end(), [](const auto* a, const auto* b) {
        return std::abs(a->accuracy_difference->difference.mean) <
               std::abs(b->accuracy_difference->difference.mean);
      });
  const double mean = largest.accuracy_difference->difference.mean;
  std::string text = largest.name + " is " + points(mean) + (mean < 0 ? " less" : " more") +
                     " accurate than " + other + " (" +
                     size_interval_text(*largest.accuracy_difference->difference.interval) + ")";
  if (compared > 1) {
    text += different.size() == 1 ? ", the only difference found among " + std::to_string(compared) + " arms"
                                  : ", the largest of " + std::to_string(different.size()) +
                                        " differences found among " + std::to_string(compared) + " arms";
  }
  return text + ".";
}

}  // namespace

std::string accuracy_finding(const ComparisonSummary& comparison, const ArmSummary& arm) {
  const std::string& other = baseline_of(comparison).name;
  const auto& difference = arm.accuracy_difference;
  if (!difference)
    return "The accuracy of " + arm.name + " cannot be compared with " + other + ": no seed has both.";
  if (difference->identical) {
    return arm.name + " and " + other + " have the same accuracy in every seed (" +
           seeds_text(difference->difference.n) + ").";
  }
  if (!difference->p) {
    return "One seed has both " + arm.name + " and " + other + ": accuracy " +
           points(difference->difference.mean) + (difference->difference.mean < 0 ? " lower" : " higher") +
           ", and no telling chance from effect.";
  }
  if (!differs(arm)) {
    const std::string text = "No difference in accuracy was found between " + arm.name + " and " + other +
                             " (" + decimal(difference->difference.mean, 2) + " points, " +
                             interval_text(*difference->difference.interval) + ", " +
                             p_text(*arm.adjusted_p) + " corrected, " + seeds_text(difference->difference.n) +
                             ")";
    return text + detectable_text(arm.detectable) + ".";
  }
  return arm.name + " is " + points(difference->difference.mean) +
         (difference->difference.mean < 0 ? " less" : " more") + " accurate than " + other + " (" +
         size_interval_text(*difference->difference.interval) + " points, " + p_text(*arm.adjusted_p) +
         " corrected, " + seeds_text(difference->difference.n) + ").";
}

std::string speed_finding(const ComparisonSummary& comparison, const ArmSummary& arm) {
  const auto& difference = arm.speed_difference;
  if (!difference || !difference->difference.interval) return "";
  const double low = std::exp(difference->difference.interval->low),
               high = std::exp(difference->difference.interval->high);
  const std::string& other = baseline_of(comparison).name;
  const std::string range = interval_text({low, high});
  if (low <= 1 && high >= 1) {
    return "No difference in speed was found between " + arm.name + " and " + other + " (" + range +
           " times its samples per second, for all arms together).";
  }
  return arm.name + " trains " + decimal(std::exp(difference->difference.mean), 2) +
         " times as many samples per second as " + other + " (geometric mean over the seeds, " + range +
         " for all arms together).";
}

std::vector<std::string> data_findings(const ComparisonSummary& comparison) {
  std::vector<std::pair<std::string, std::string>> by_ledger;  // what was consumed, and the arms of which
  for (const ArmSummary& arm : comparison.arms) {
    const std::string text = consumed_text(arm);
    if (text.empty()) continue;
    const auto known = std::find_if(by_ledger.begin(), by_ledger.end(),
                                    [&](const auto& entry) { return entry.first == text; });
    if (known == by_ledger.end()) {
      by_ledger.emplace_back(text, arm.name);
    } else {
      known->second += "; " + arm.name;
    }
  }
  std::vector<std::string> sentences;
  for (const auto& [text, arms] : by_ledger) sentences.push_back("An epoch " + text + ": " + arms + ".");
  return sentences;
}

std::string straggler_finding(const ArmSummary& arm) {
  if (!arm.result.is_object()) return "";
  const auto slow = arm.result.find("slow");
  const bool injected = slow != arm.result.end() && slow->is_string();
  if (!injected && arm.stragglers.empty()) return "";
  std::string text = injected
                         ? "In " + arm.name + " one rank was slowed down (" + slow->get<std::string>() + "); "
                         : "In " + arm.name + " nobody was slowed down on purpose, and ";
  if (arm.stragglers.empty()) {
    const bool comparable = arm.result.at("mode") == "data-parallel";
    return text + (comparable
                       ? "the comparison of ranks named nobody."
                       : "its ranks do different work, so they are not compared; the time split shows it.");
  }
  for (std::size_t i = 0; i < arm.stragglers.size(); ++i) {
    const StragglerCount& count = arm.stragglers[i];
    text += (i == 0 ? "the comparison of ranks named rank " : ", rank ") + std::to_string(count.rank) +
            " in " + count.phase + " in " + std::to_string(count.runs) + " of " + plural(arm.finished, "run");
  }
  return text + ".";
}

std::vector<std::string> findings(const ComparisonSummary& comparison) {
  std::vector<std::string> sentences;
  const auto add = [&](const std::string& sentence) {
    if (!sentence.empty()) sentences.push_back(sentence);
  };
  for (const ArmSummary& arm : comparison.arms) add(missing_finding(arm));
  for (std::size_t i = 0; i < comparison.arms.size(); ++i) {
    if (i != comparison.baseline) add(accuracy_finding(comparison, comparison.arms[i]));
  }
  for (std::size_t i = 0; i < comparison.arms.size(); ++i) {
    if (i != comparison.baseline) add(speed_finding(comparison, comparison.arms[i]));
  }
  for (const std::string& sentence : data_findings(comparison)) add(sentence);
  for (const ArmSummary& arm : comparison.arms) add(straggler_finding(arm));
  return sentences;
}

std::string answer(const ComparisonSummary& comparison) {
  std::string accuracy = accuracy_answer(comparison), speed = speed_answer(comparison);
  if (speed.empty()) return accuracy;
  const bool accuracy_differs = std::any_of(comparison.arms.begin(), comparison.arms.end(), differs);
  return accuracy_differs ? accuracy + " " + speed : speed + " " + accuracy;
}

}  // namespace dml
