#include "runners/study/report.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "engine/run/atomic_file.h"
#include "kernels/base/error.h"
#include "runners/cli/terminal.h"
#include "runners/report/html.h"
#include "runners/report/markdown.h"
#include "runners/result.h"
#include "runners/study/findings.h"
#include "runners/study/report_figures.h"
#include "runners/text.h"
#include "samplers/sampler.h"

namespace dml {
namespace {

using report::Bullets;
using report::Callout;
using report::Document;
using report::Heading;
using report::Paragraph;
using report::SideBySide;
using report::TableBlock;

std::string study_text(const StudySummary& summary, const char* key) {
  const auto found = summary.study.find(key);
  return found != summary.study.end() && found->is_string() ? found->get<std::string>() : "";
}

/// "64 = 2 replicas x 32": what an update averages over, which no comparison may leave unsaid.
std::string batch_text(const ArmSummary& arm) {
  const std::string text = arm.result.is_object() ? arm.result.value("batch_meaning", "") : "";
  return text.starts_with("batch ") ? text.substr(6) : text;
}

/// What a setting does, where its value does not say it.
std::string setting_text(const std::string& key, const std::string& value) {
  if (key == "mode" && value == "single") return "one process with all the cores holds model and batch";
  if (key == "mode" && value == "data-parallel")
    return "each rank holds the whole model and a share of every batch";
  if (key == "mode" && value == "model-parallel") return "each rank holds some of the layers";
  if (key == "aggregate" && value == "allreduce") return "gradients are summed between the ranks";
  if (key == "aggregate") return "each rank gets all gradients and adds them up itself";
  if (key == "batch-policy" && value == "global") return "the batch is over all ranks";
  if (key == "batch-policy" && value == "per-rank")
    return "each rank has a batch of its own, an update is over all";
  if (key == "batch-policy") return "as per-rank, with the learning rate times the number of ranks";
  if (key == "share" && value == "speed") return "faster ranks get more of each batch";
  if (key == "local-steps")
    return "ranks update alone and average their weights after every " + value + " updates";
  if (key == "slow") return "one rank is slowed down on purpose: " + value;
  if (key != "sampler") return "";
  for (const SamplerDescription& sampler : sampler_descriptions()) {
    if (value.substr(0, value.find(':')) == sampler.name) return sampler.summary;
  }
  return "";
}

/// One line an arm: the settings in which the arms of the section differ, and what they do.
Bullets describe_arms(const ComparisonSummary& comparison) {
  Bullets lines;
  for (const ArmSummary& arm : comparison.arms) {
    std::string flags, words;
    for (const auto& setting : arm.values) {  // named for clang 14, whose lambdas capture no bindings
      const std::string& key = setting.first;
      const std::string& value = setting.second;
      const bool differs =
          std::any_of(comparison.arms.begin(), comparison.arms.end(), [&](const ArmSummary& other) {
            const auto found = other.values.find(key);
            return found == other.values.end() || found->second != value;
          });
      if (!differs) continue;
      flags += (flags.empty() ? "" : ", ") + key + " " + value;
      const std::string text = setting_text(key, value);
      if (!text.empty()) words += (words.empty() ? "" : "; ") + text;
    }
    lines.items.push_back("`" + arm.name + "`" + (words.empty() ? "" : ": " + words) +
                          (words.empty() && !flags.empty() ? ": " + flags : "") + ".");
  }
  return lines;
}

TableBlock accuracy_table(const ComparisonSummary& comparison) {
  TableBlock table{
      .header = {"arm", "batch", "runs", "accuracy, %", "95 % interval", "difference", "p", "detectable"},
      .rows = {},
      .number_columns = {2, 3, 4, 5, 6, 7}};
  for (std::size_t i = 0; i < comparison.arms.size(); ++i) {
    const ArmSummary& arm = comparison.arms[i];
    const auto accuracy = over_seeds(arm.accuracy);
    const auto& difference = arm.accuracy_difference;
    const auto interval = [](const std::optional<Interval>& range) {
      return range ? decimal(range->low, 2) + " to " + decimal(range->high, 2) : std::string();
    };
    const std::string name =
        arm.name + (i == comparison.baseline && comparison.arms.size() > 1 ? " (baseline)" : "");
    table.rows.push_back({name, batch_text(arm), std::to_string(arm.finished),
                          accuracy ? decimal(accuracy->mean, 2) : "",
                          accuracy ? interval(accuracy->interval) : "",
                          difference ? decimal(difference->difference.mean, 2) : "",
                          arm.adjusted_p ? decimal(*arm.adjusted_p, 4) : "",
                          arm.detectable ? decimal(*arm.detectable, 2) : ""});
  }
  table.caption =
      "Batch: samples of an update. Difference: mean over the seeds of arm minus baseline, in points. p: "
      "paired "
      "t-test, corrected by Holm's procedure for all arms of this section. Detectable: the true difference, "
      "in points, that these tests find with a chance of 80 %.";
  return table;
}

TableBlock ledger_table(const ComparisonSummary& comparison) {
  TableBlock table{
      .header = {"arm", "epoch", "samples consumed", "once", "more often", "never", "hash of the samples"},
      .rows = {},
      .number_columns = {1, 2, 3, 4, 5}};
  for (const ArmSummary& arm : comparison.arms) {
    if (!arm.result.is_object() || !arm.result.contains("ledger")) continue;
    for (const nlohmann::json& epoch : arm.result.at("ledger")) {
      const auto count = [&](const char* key) { return with_thousands(epoch.at(key).get<std::int64_t>()); };
      const bool is_first = epoch == arm.result.at("ledger").front();
      table.rows.push_back({is_first ? arm.name : "",
                            std::to_string(epoch.at("epoch").get<std::int64_t>() + 1), count("draws"),
                            count("once"), count("repeated"), count("never"),
                            epoch.at("hash").get<std::string>()});
    }
  }
  table.caption =
      "Counted by the ranks where they read the images, in each arm's first run. Equal hashes: the same "
      "samples the same "
      "number of times, in whatever order and on whatever rank.";
  return table;
}

TableBlock straggler_table(const ComparisonSummary& comparison) {
  TableBlock table{.header = {"arm", "slowed down on purpose", "named as slow", "in runs", "rank",
                              "forward, ms", "backward, ms", "before communicating, ms"},
                   .rows = {},
                   .number_columns = {3, 4, 5, 6, 7}};
  for (const ArmSummary& arm : comparison.arms) {
    if (!arm.result.is_object()) continue;
    for (std::size_t r = 0; r < arm.ranks.size(); ++r) {
      std::vector<std::string> row(8);
      if (r == 0) {
        const nlohmann::json slow = arm.result.value("slow", nlohmann::json());
        std::string named, runs;
        for (const StragglerCount& count : arm.stragglers) {
          named += (named.empty() ? "" : "; ") + ("rank " + std::to_string(count.rank)) + ", " + count.phase;
          runs +=
              (runs.empty() ? "" : "; ") + std::to_string(count.runs) + " of " + std::to_string(arm.finished);
        }
        row = {arm.name,
               slow.is_string() ? slow.get<std::string>() : "nobody",
               named.empty() ? "nobody" : named,
               runs,
               "",
               "",
               "",
               ""};
      }
      row[4] = std::to_string(r);
      if (arm.ranks[r].phases_ms) {
        for (std::size_t phase = 0; phase < 3; ++phase)
          row[5 + phase] = decimal((*arm.ranks[r].phases_ms)[phase], 3);
      }
      table.rows.push_back(row);
    }
  }
  table.caption =
      "Milliseconds per step that each rank spends on its own in its last run, as with an equal share of the "
      "batch: "
      "medians over the steps, and the mean of what comes before communicating. A rank is named when it "
      "stands out "
      "from those that do the same work.";
  return table;
}

bool has_stragglers(const ComparisonSummary& comparison) {
  return std::any_of(comparison.arms.begin(), comparison.arms.end(), [](const ArmSummary& arm) {
    return !arm.stragglers.empty() ||
           (arm.result.is_object() && arm.result.value("slow", nlohmann::json()).is_string());
  });
}

bool has_ledger(const ComparisonSummary& comparison) {
  return std::any_of(comparison.arms.begin(), comparison.arms.end(), [](const ArmSummary& arm) {
    return arm.result.is_object() && arm.result.contains("ledger") && !arm.result.at("ledger").empty();
  });
}

/// What draws a figure again from what the folder holds.
std::string again(const StudySummary& summary) {
  return "dml_engine report " + summary.directory;
}

void add(const StudySummary& summary, std::optional<report::Figure> figure, Document& document) {
  if (!figure) return;
  figure->command = again(summary);
  document.blocks.emplace_back(std::move(*figure));
}

void add_comparison(const StudySummary& summary, const ComparisonSummary& comparison, Document& document) {
  const std::string& name = comparison.name;
  document.blocks.emplace_back(Heading{2, comparison.question.empty() ? name : comparison.question, name});
  document.blocks.emplace_back(Callout{answer(comparison)});
  if (comparison.arms.size() > 1) document.blocks.emplace_back(describe_arms(comparison));
  SideBySide view;
  const auto place = [&](std::optional<report::Figure> figure, std::vector<report::SimpleBlock>& side) {
    if (!figure) return;
    figure->command = again(summary);
    side.emplace_back(std::move(*figure));
  };
  place(accuracy_figure(comparison), view.left);
  place(time_figure(comparison), view.right);
  if (!view.left.empty() || !view.right.empty()) document.blocks.emplace_back(std::move(view));
  document.blocks.emplace_back(Heading{3, "What the numbers support", name + "-findings"});
  document.blocks.emplace_back(Bullets{findings(comparison)});
  if (comparison.arms.size() > 1 || comparison.arms.front().finished > 0) {
    document.blocks.emplace_back(accuracy_table(comparison));
  }
  document.blocks.emplace_back(Heading{3, "Learning", name + "-learning"});
  add(summary, loss_figure(comparison), document);
  add(summary, accuracy_curve_figure(comparison), document);
  document.blocks.emplace_back(Heading{3, "Time", name + "-time"});
  add(summary, speed_figure(summary, comparison), document);
  add(summary, timeline_figure(summary, comparison), document);
  add(summary, bytes_figure(comparison), document);
  if (has_stragglers(comparison)) {
    document.blocks.emplace_back(Heading{3, "Stragglers", name + "-stragglers"});
    document.blocks.emplace_back(straggler_table(comparison));
  }
  document.blocks.emplace_back(Heading{3, "Data", name + "-data"});
  add(summary, partition_figure(comparison), document);
  if (auto table = partition_table(comparison)) document.blocks.emplace_back(std::move(*table));
  if (has_ledger(comparison)) document.blocks.emplace_back(ledger_table(comparison));
}

void add_limits(const StudySummary& summary, Document& document) {
  const auto seeds = static_cast<std::int64_t>(summary.seeds.size());
  document.blocks.emplace_back(Heading{2, "Limits", "limits"});
  Bullets limits;
  limits.items = {"Accuracies are compared over " + plural(seeds, "seed") +
                      ": intervals and tests take the differences of different seeds for independent and "
                      "about normally distributed. "
                      "A seed decides initial weights and data order, and nothing else varies.",
                  "Each section is corrected for its own arms; a reader who looks for the most striking one "
                  "of many sections should "
                  "correct once more.",
                  "Speeds and time splits were measured on this machine, one run at a time and seed by seed; "
                  "other work on it moves "
                  "them. They say nothing about other hardware.",
                  "A test set of 10,000 images, for example, has a sampling error of its own, about 0.3 "
                  "points near 90 %, "
                  "which all arms share."};
  document.blocks.emplace_back(std::move(limits));
}

void add_appendix(const StudySummary& summary, Document& document) {
  document.blocks.emplace_back(Heading{2, "How this was made", "made"});
  TableBlock about{.header = {"what", "which"}, .rows = {}};
  const auto row = [&](const std::string& what, const std::string& which) {
    if (!which.empty()) about.rows.push_back({what, which});
  };
  row("command", "`" + study_text(summary, "command") + "`");
  row("version", study_text(summary, "version") + ", git revision " + study_text(summary, "git_revision"));
  if (summary.study.contains("machine")) {
    const nlohmann::json& machine = summary.study.at("machine");
    row("machine", machine.value("cpu", "") + ", " +
                       plural(machine.value("usable_cores", std::int64_t{0}), "usable core") + ", " +
                       machine.value("system", ""));
  }
  std::string libraries;
  for (const nlohmann::json& library : summary.study.value("libraries", nlohmann::json::array())) {
    libraries += (libraries.empty() ? "" : ", ") + library.get<std::string>();
  }
  row("libraries", libraries);
  for (const nlohmann::json& earlier : summary.study.value("earlier", nlohmann::json::array())) {
    row("some runs were made with", "version " + earlier.value("version", "?") + ", git revision " +
                                        earlier.value("git_revision", "?") + ", " +
                                        earlier.value("machine", nlohmann::json::object()).value("cpu", "?"));
  }
  row("last run ended", summary.last_ended);
  std::string seeds;
  for (const std::uint64_t seed : summary.seeds) seeds += (seeds.empty() ? "" : ", ") + std::to_string(seed);
  row("seeds", seeds);
  for (const ComparisonSummary& comparison : summary.comparisons) {
    if (!comparison.arms.front().result.is_object()) continue;
    row("data", comparison.arms.front().result.value("dataset", "") + " from " +
                    comparison.arms.front().result.value("dataset_source", ""));
    break;
  }
  document.blocks.emplace_back(std::move(about));
  TableBlock arms{.header = {"section", "arm", "flags of its runs (and `--seed`)"}, .rows = {}};
  for (const ComparisonSummary& comparison : summary.comparisons) {
    for (const ArmSummary& arm : comparison.arms) {
      arms.rows.push_back({comparison.name, arm.name, "`" + shell_line(arm.arguments) + "`"});
    }
  }
  document.blocks.emplace_back(std::move(arms));
  document.blocks.emplace_back(Paragraph{
      "Every figure is drawn from `runs.jsonl` and the run directories beside it; `dml_engine report " +
      summary.directory + "` draws them again. One run again: `dml_engine train` with the flags above."});
}

template <class Value>
nlohmann::json or_null(const std::optional<Value>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

nlohmann::json to_json(const std::optional<Interval>& interval) {
  return interval ? nlohmann::json{interval->low, interval->high} : nlohmann::json();
}

/// The numbers behind the sentences about one arm.
nlohmann::json to_json(const ArmSummary& arm) {
  const auto accuracy = over_seeds(arm.accuracy);
  nlohmann::json json{{"name", arm.name},
                      {"finished", arm.finished},
                      {"diverged", arm.diverged},
                      {"accuracy_percent", accuracy ? nlohmann::json(accuracy->mean) : nlohmann::json()},
                      {"accuracy_interval", accuracy ? to_json(accuracy->interval) : nlohmann::json()}};
  const auto& accuracy_difference = arm.accuracy_difference;
  const auto& speed_difference = arm.speed_difference;
  if (accuracy_difference) {
    json["difference_points"] = accuracy_difference->difference.mean;
    json["difference_interval"] = to_json(accuracy_difference->difference.interval);
    json["p"] = or_null(accuracy_difference->p);
    json["p_corrected"] = or_null(arm.adjusted_p);
    json["detectable_points"] = or_null(arm.detectable);
  }
  if (speed_difference) {
    json["speed_log_ratio"] = speed_difference->difference.mean;
    json["speed_log_ratio_interval"] = to_json(speed_difference->difference.interval);
  }
  return json;
}

nlohmann::json report_json(const StudySummary& summary) {
  nlohmann::json object{
      {"schema_version", 1},  {"command", "report"},          {"directory", summary.directory},
      {"runs", summary.runs}, {"finished", summary.finished}, {"sections", nlohmann::json::array()}};
  for (const ComparisonSummary& comparison : summary.comparisons) {
    nlohmann::json arms = nlohmann::json::array();
    for (const ArmSummary& arm : comparison.arms) arms.push_back(to_json(arm));
    object["sections"].push_back({{"name", comparison.name},
                                  {"baseline", comparison.arms[comparison.baseline].name},
                                  {"answer", answer(comparison)},
                                  {"findings", findings(comparison)},
                                  {"arms", arms}});
  }
  return object;
}

}  // namespace

report::Document make_report(const StudySummary& summary) {
  Document document;
  const std::string question = study_text(summary, "question");
  document.title = question.empty() ? "What the runs in " + summary.directory + " show" : question;
  document.subtitle = "dml_engine study: " + plural(summary.finished, "run") + " of " +
                      std::to_string(summary.runs) + ", " +
                      plural(static_cast<std::int64_t>(summary.seeds.size()), "seed") + " for each arm";
  if (summary.finished < summary.runs) {
    document.blocks.emplace_back(Callout{"Unfinished: " + std::to_string(summary.runs - summary.finished) +
                                         " of " + plural(summary.runs, "run") +
                                         " are missing. What follows is from those that are there."});
  }
  if (summary.comparisons.size() > 1) {
    Bullets answers;
    for (const ComparisonSummary& comparison : summary.comparisons) {
      answers.items.push_back((comparison.question.empty() ? comparison.name : comparison.question) + " " +
                              answer(comparison));
    }
    document.blocks.emplace_back(Heading{2, "In short", "short"});
    document.blocks.emplace_back(std::move(answers));
  }
  for (const ComparisonSummary& comparison : summary.comparisons)
    add_comparison(summary, comparison, document);
  add_limits(summary, document);
  add_appendix(summary, document);
  return document;
}

int write_report(const std::string& directory, bool json) {
  const bool is_study = std::filesystem::exists(directory + "/study.json");
  const StudySummary summary = is_study ? summarise_study(directory) : summarise_run(directory);
  const Document document = make_report(summary);
  write_file_atomically(directory + "/report.html", report::to_html(document));
  write_file_atomically(directory + "/report.md", report::to_markdown(document, "figures"));
  std::error_code error;
  std::filesystem::create_directories(directory + "/figures", error);
  if (error) throw IoError("cannot create " + directory + "/figures: " + error.message());
  for (const report::FigureFile& figure : report::figure_files(document)) {
    write_file_atomically(directory + "/figures/" + figure.name, figure.text);
  }
  if (json) {
    std::puts(json_text(report_json(summary)).c_str());
    return 0;
  }
  std::string text;
  for (const ComparisonSummary& comparison : summary.comparisons) {
    text += wrapped(comparison.question.empty() ? comparison.name : comparison.question) + "\n  " +
            wrapped(answer(comparison), kTextColumns, 2) + "\n";
  }
  std::fputs((text + "\nreport: " + directory + "/report.html (and report.md)\n").c_str(), stdout);
  return 0;
}

}  // namespace dml
