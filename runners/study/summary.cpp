#include "runners/study/summary.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>

#include "engine/run/step_phase.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace dml {
namespace {

using Json = nlohmann::json;
using Records = std::map<std::string, StudyRecord>;

constexpr std::int64_t kMostBytes = std::int64_t{1} << 30U;

std::optional<double> number(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

/// Means of y over records by x.
class CurveReader {
 public:
  void add(double x, double y) { values_[x].push_back(y); }
  [[nodiscard]] std::vector<CurvePoint> points() const {
    std::vector<CurvePoint> points;
    for (const auto& [x, values] : values_) points.push_back({x, mean_interval(values, kConfidence)});
    return points;
  }

 private:
  std::map<double, std::vector<double>> values_;
};

std::vector<RankSummary> summarise_ranks(const std::vector<const StudyRecord*>& records) {
  std::vector<RankSummary> ranks;
  for (const StudyRecord* record : records) {
    const Json& entries = record->result.at("ranks");
    ranks.resize(std::max(ranks.size(), entries.size()));
    const double all_steps = number(record->result, "steps").value_or(0);
    const double steps = number(record->result, "steps_here").value_or(all_steps);
    for (std::size_t r = 0; r < entries.size(); ++r) {
      const Json& entry = entries[r];
      RankSummary& rank = ranks[r];
      const std::array<double, 4> seconds = {entry.at("compute_seconds"),
                                             entry.at("exposed_communication_seconds"),
                                             entry.at("wait_seconds"), entry.at("other_seconds")};
      const double total = seconds[0] + seconds[1] + seconds[2] + seconds[3];
      const double weight = total > 0 ? 1 / total / static_cast<double>(records.size()) : 0;
      rank.compute += seconds[0] * weight;
      rank.communication += seconds[1] * weight;
      rank.wait += seconds[2] * weight;
      rank.other += seconds[3] * weight;
      const auto bytes = number(entry, "bytes_sent");
      if (bytes && steps > 0) rank.bytes_per_step = *bytes / steps;
      const auto phases = entry.find("step_phase_milliseconds");
      if (phases != entry.end() && phases->is_object()) {
        rank.phases_ms = {phases->at("forward"), phases->at("backward"), phases->at("communicate")};
      }
    }
  }
  return ranks;
}

void count_stragglers(const std::vector<const StudyRecord*>& records, ArmSummary& arm) {
  for (const StudyRecord* record : records) {
    const auto straggler = record->result.find("straggler");
    if (straggler == record->result.end() || straggler->is_null()) continue;
    const int rank = straggler->at("rank");
    const std::string phase = straggler->at("phase");
    const auto known =
        std::find_if(arm.stragglers.begin(), arm.stragglers.end(),
                     [&](const StragglerCount& count) { return count.rank == rank && count.phase == phase; });
    if (known == arm.stragglers.end()) {
      arm.stragglers.push_back({rank, phase, 1});
    } else {
      ++known->runs;
    }
  }
}

void read_curves(const std::vector<const StudyRecord*>& records, ArmSummary& arm) {
  CurveReader loss, accuracy;
  for (const StudyRecord* record : records) {
    std::map<double, double> losses,
        accuracies;  // a run that was resumed repeats lines: the later one counts
    for (const Json& metric : record->metrics) {
      if (metric.value("kind", "") == "train") losses[metric.at("step")] = metric.at("loss");
      const auto test = number(metric, "test_accuracy");
      if (test) accuracies[metric.at("epoch").get<double>() + 1] = 100 * *test;
    }
    for (const auto& [x, y] : losses) loss.add(x, y);
    for (const auto& [x, y] : accuracies) accuracy.add(x, y);
  }
  arm.loss_by_step = loss.points();
  arm.accuracy_by_epoch = accuracy.points();
}

/// Fills the arm from the records of its runs; `ids` has one for each seed.
void fill(ArmSummary& arm, const Records& records, const std::vector<std::string>& ids) {
  std::vector<const StudyRecord*> finished;
  for (const std::string& id : ids) {
    arm.run_ids.push_back(id);
    const auto found = records.find(id);
    const bool has_result = found != records.end() && found->second.result.is_object();
    if (found != records.end() && !has_result) ++arm.diverged;
    const Json& result = has_result ? found->second.result : Json();
    const auto accuracy = number(result, "test_accuracy");
    arm.accuracy.push_back(accuracy ? std::optional(100 * *accuracy) : std::nullopt);
    arm.train_loss.push_back(number(result, "final_train_loss"));
    arm.samples_per_second.push_back(number(result, "samples_per_second"));
    if (!has_result) continue;
    finished.push_back(&found->second);
    if (arm.result.is_null()) arm.result = result;
  }
  arm.finished = static_cast<std::int64_t>(finished.size());
  arm.ranks = summarise_ranks(finished);
  count_stragglers(finished, arm);
  read_curves(finished, arm);
}

/// The values of two arms in the seeds that have both.
std::optional<PairedComparison> compare_arms(const std::vector<std::optional<double>>& values,
                                             const std::vector<std::optional<double>>& baseline,
                                             double confidence, double grain) {
  std::vector<double> a, b;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i] || !baseline[i]) continue;
    a.push_back(*values[i]);
    b.push_back(*baseline[i]);
  }
  if (a.empty()) return std::nullopt;
  return compare_paired(a, b, confidence, grain);
}

std::vector<std::optional<double>> logarithms(std::vector<std::optional<double>> values) {
  for (auto& value : values) value = value && *value > 0 ? std::optional(std::log(*value)) : std::nullopt;
  return values;
}

void compare_with_baseline(ComparisonSummary& comparison) {
  const ArmSummary& baseline = comparison.arms[comparison.baseline];
  // In percent, one sample of the test set.
  const double grain =
      baseline.result.is_object() ? 100 / number(baseline.result, "test_samples").value_or(1e9) : 0;
  const auto others = static_cast<double>(std::max<std::size_t>(2, comparison.arms.size()) - 1);
  std::vector<std::optional<double>> p_values;
  for (std::size_t i = 0; i < comparison.arms.size(); ++i) {
    ArmSummary& arm = comparison.arms[i];
    if (i != comparison.baseline) {
      arm.accuracy_difference = compare_arms(arm.accuracy, baseline.accuracy, kConfidence, grain);
      arm.speed_difference = compare_arms(logarithms(arm.samples_per_second),
                                          logarithms(baseline.samples_per_second), 1 - kLevel / others, 0);
    }
    p_values.push_back(arm.accuracy_difference ? arm.accuracy_difference->p : std::nullopt);
  }
  const auto tests = static_cast<double>(
      std::count_if(p_values.begin(), p_values.end(), [](const auto& p) { return p.has_value(); }));
  const std::vector<std::optional<double>> adjusted = holm_adjusted(p_values);
  for (std::size_t i = 0; i < comparison.arms.size(); ++i) {
    ArmSummary& arm = comparison.arms[i];
    arm.adjusted_p = adjusted[i];
    if (!arm.accuracy_difference || !arm.accuracy_difference->difference.sd ||
        arm.accuracy_difference->identical)
      continue;
    arm.detectable =
        smallest_detectable_difference(*arm.accuracy_difference->difference.sd,
                                       arm.accuracy_difference->difference.n, kLevel / tests, kPower);
  }
}

}  // namespace

StudySummary summarise_study(const std::string& directory) {
  StudySummary summary;
  summary.directory = directory;
  summary.study = read_study(directory);
  const Records records = read_records(directory);
  summary.seeds = summary.study.at("seeds").get<std::vector<std::uint64_t>>();
  std::set<std::string> runs;
  for (const Json& section : summary.study.at("sections")) {
    ComparisonSummary comparison;
    comparison.name = section.at("name");
    comparison.question = section.at("question");
    comparison.baseline = section.at("baseline");
    for (const Json& entry : section.at("arms")) {
      StudyArm described;
      described.arguments = entry.at("arguments").get<std::vector<std::string>>();
      ArmSummary arm;
      arm.name = entry.at("name");
      arm.values = entry.at("values").get<std::map<std::string, std::string>>();
      arm.arguments = described.arguments;
      std::vector<std::string> ids;
      for (const std::uint64_t seed : summary.seeds) ids.push_back(run_id(described, seed));
      runs.insert(ids.begin(), ids.end());
      fill(arm, records, ids);
      comparison.arms.push_back(std::move(arm));
    }
    compare_with_baseline(comparison);
    summary.comparisons.push_back(std::move(comparison));
  }
  summary.runs = static_cast<std::int64_t>(runs.size());
  for (const std::string& id : runs) {
    const auto record = records.find(id);
    if (record == records.end()) continue;
    ++summary.finished;
    summary.last_ended = std::max(summary.last_ended, record->second.ended);
  }
  return summary;
}

StudySummary summarise_run(const std::string& directory) {
  const auto text = [&](const char* name) {
    const std::vector<std::uint8_t> bytes = read_file(directory + "/" + name, kMostBytes);
    return std::string(bytes.begin(), bytes.end());
  };
  if (!std::filesystem::exists(directory + "/run.json")) {
    throw UsageError(directory +
                     " holds neither a study (study.json) nor a run (run.json). Name the --run-dir of one.");
  }
  StudySummary summary;
  summary.directory = directory;
  summary.study = Json::parse(text("run.json"), nullptr, false);
  if (!summary.study.is_object()) throw DataError(directory + "/run.json: is damaged");
  StudyRecord record;
  record.id = "run";
  if (std::filesystem::exists(directory + "/result.json")) {
    record.result = Json::parse(text("result.json"), nullptr, false);
    record.seed = record.result.value("seed", std::uint64_t{0});
    summary.finished = 1;
  }
  std::istringstream lines(text("metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    Json metric = Json::parse(line, nullptr, false);
    if (metric.is_object()) record.metrics.push_back(std::move(metric));
  }
  summary.runs = 1;
  summary.seeds = {record.seed};
  ArmSummary arm;
  arm.name = record.result.is_object() ? record.result.value("mode", "run") : "run";
  if (summary.study.contains("arguments")) {
    arm.arguments = summary.study.at("arguments").get<std::vector<std::string>>();
  }
  if (record.result.is_object()) {
    fill(arm, {{record.id, record}}, {record.id});
  } else {
    read_curves({&record}, arm);
  }
  summary.comparisons.push_back({.name = "run", .question = {}, .baseline = 0, .arms = {std::move(arm)}});
  return summary;
}

std::optional<MeanInterval> over_seeds(const std::vector<std::optional<double>>& values) {
  std::vector<double> there;
  for (const auto& value : values) {
    if (value) there.push_back(*value);
  }
  if (there.empty()) return std::nullopt;
  return mean_interval(there, kConfidence);
}

std::optional<SpeedUp> speed_up(const StudySummary& study, const ArmSummary& arm) {
  const auto cores = [](const ArmSummary& of) {
    return of.result.at("world_size").get<int>() * of.result.at("threads_per_rank").get<int>();
  };
  if (!arm.result.is_object()) return std::nullopt;
  const auto fits = [&](const ArmSummary& single) {
    if (!single.result.is_object() || single.result.at("mode") != "single") return false;
    const auto same = [&](const char* key) { return single.result.at(key) == arm.result.at(key); };
    return same("model") && same("dataset") && same("device") && cores(single) == cores(arm);
  };
  for (const bool same_batch : {true, false}) {  // another batch only where there is no better one
    for (const ComparisonSummary& comparison : study.comparisons) {
      for (const ArmSummary& single : comparison.arms) {
        if (!fits(single) || (same_batch && single.result.at("batch") != arm.result.at("batch"))) continue;
        SpeedUp result{.by_seed = {}, .against = "single, batch " + single.result.at("batch").dump()};
        for (std::size_t i = 0; i < arm.samples_per_second.size(); ++i) {
          if (!arm.samples_per_second[i] || !single.samples_per_second[i]) continue;
          result.by_seed.push_back(*arm.samples_per_second[i] / *single.samples_per_second[i]);
        }
        if (!result.by_seed.empty()) return result;
      }
    }
  }
  return std::nullopt;
}

}  // namespace dml
