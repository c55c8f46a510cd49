#include "runners/demo_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"
#include "runners/text.h"

namespace dml {
namespace {

double speedup(const DemoRow& row, const DemoRow& single) {
  return row.samples_per_second / single.samples_per_second;
}

std::string times(double factor) {
  return decimal(factor, 2) + "x";
}

/// Communication and waiting, mean over ranks.
double overhead(const DemoRow& row) {
  double sum = 0;
  for (const DemoRankTime& time : row.rank_times) sum += time.communication + time.wait;
  return row.rank_times.empty() ? 0 : sum / static_cast<double>(row.rank_times.size());
}

/// "2 cores": what the parallel rows keep busy, and single was given.
std::string cores_of(const DemoRow& single) {
  return plural(std::int64_t{single.ranks} * single.threads, "core");
}

std::string say_fastest(const std::vector<DemoRow>& rows) {
  const DemoRow& single = rows.front();
  const auto best =
      std::max_element(rows.begin() + 1, rows.end(), [](const DemoRow& left, const DemoRow& right) {
        return left.samples_per_second < right.samples_per_second;
      });
  const double factor = speedup(*best, single);
  if (factor >= 1.005) {
    return "Fastest is " + best->label + ": " + times(factor) +
           " the samples per second of single on the same " + cores_of(single) + ".";
  }
  return "Nothing here is faster than single on the same " + cores_of(single) + "; " + best->label +
         " comes closest with " + times(factor) + ".";
}

/// The distance between the best and the worst accuracy, in points; nothing when some were not measured.
std::optional<double> accuracy_range(const std::vector<DemoRow>& rows) {
  double low = 1;
  double high = 0;
  for (const DemoRow& row : rows) {
    if (!row.accuracy) return std::nullopt;
    low = std::min(low, *row.accuracy);
    high = std::max(high, *row.accuracy);
  }
  return (high - low) * 100;
}

const DemoRow* first_of(const std::vector<DemoRow>& rows, const std::string& mode) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const DemoRow& row) { return row.mode == mode; });
  return found == rows.end() ? nullptr : &*found;
}

std::string say_synthetic() {
  return "The images are synthetic, so the accuracies say nothing about real data.";
}

}  // namespace

DemoRow read_demo_row(const nlohmann::json& result, const std::string& label, const std::string& batch) {
  try {
    DemoRow row;
    row.label = label;
    row.batch = batch;
    row.mode = result.at("mode").get<std::string>();
    row.ranks = result.at("world_size").get<int>();
    row.threads = result.at("threads_per_rank").get<int>();
    row.steps = result.at("steps").get<std::int64_t>();
    if (!result.at("test_accuracy").is_null()) row.accuracy = result.at("test_accuracy").get<double>();
    if (!result.at("final_train_loss").is_null())
      row.train_loss = result.at("final_train_loss").get<double>();
    row.samples_per_second = result.at("samples_per_second").get<double>();
    row.ceiling = result.at("speedup_ceiling").get<double>();
    const double total = result.at("train_seconds").get<double>();
    for (const nlohmann::json& rank : result.at("ranks")) {
      const auto share = [&](const char* name) { return rank.at(name).get<double>() / total; };
      row.rank_times.push_back({share("compute_seconds"), share("exposed_communication_seconds"),
                                share("wait_seconds"), share("other_seconds")});
    }
    return row;
  } catch (const nlohmann::json::exception& error) {
    throw InternalError("a run of the demo printed a result that cannot be read: " +
                        std::string(error.what()));
  }
}

std::string demo_table(const std::vector<DemoRow>& rows) {
  std::vector<std::vector<std::string>> cells = {{"mode", "ranks", "batch", "accuracy", "loss", "samples/s",
                                                  "speed-up", "rank", "compute", "comm", "wait", "other"}};
  for (const DemoRow& row : rows) {
    for (std::size_t rank = 0; rank < row.rank_times.size(); ++rank) {
      const DemoRankTime& time = row.rank_times[rank];
      std::vector<std::string> line(7);
      if (rank == 0) {
        line = {row.label,
                std::to_string(row.ranks) + " x " + std::to_string(row.threads),
                row.batch,
                row.accuracy ? percent(*row.accuracy, 2) : "-",
                row.train_loss ? decimal(*row.train_loss, 4) : "-",
                with_thousands(std::llround(row.samples_per_second)),
                times(speedup(row, rows.front()))};
      }
      line.insert(line.end(), {std::to_string(rank), percent(time.compute, 0), percent(time.communication, 0),
                               percent(time.wait, 0), percent(time.other, 0)});
      cells.push_back(std::move(line));
    }
  }
  return aligned_table(cells, 3);
}

std::vector<std::string> read_same_computation(const std::vector<DemoRow>& rows, bool synthetic) {
  std::vector<std::string> sentences = {say_fastest(rows)};
  if (const DemoRow* split = first_of(rows, "model-parallel")) {
    const auto waiting =
        std::max_element(split->rank_times.begin(), split->rank_times.end(),
                         [](const auto& left, const auto& right) { return left.wait < right.wait; });
    sentences.push_back("The larger stage holds " + percent(1 / split->ceiling, 0) +
                        " of the work, so at this cut no schedule exceeds " + times(split->ceiling) +
                        " one rank with " + plural(split->threads, "thread") + "; rank " +
                        std::to_string(waiting - split->rank_times.begin()) + " of " + split->label +
                        " waits for " + percent(waiting->wait, 0) + " of its time.");
  }
  if (const std::optional<double> range = accuracy_range(rows)) {
    sentences.push_back("Every row makes the same updates and differs by rounding alone; after " +
                        with_thousands(rows.front().steps) + " of them the accuracies lie " +
                        decimal(*range, 2) + " points apart.");
  }
  if (synthetic) sentences.push_back(say_synthetic());
  return sentences;
}

std::vector<std::string> read_same_load(const std::vector<DemoRow>& rows, bool synthetic) {
  std::vector<std::string> sentences = {say_fastest(rows)};
  const DemoRow& single = rows.front();
  if (const DemoRow* parallel = first_of(rows, "data-parallel")) {
    std::string text = "An update now averages over all ranks' samples, so an epoch has fewer of them: " +
                       with_thousands(parallel->steps) + " instead of " + with_thousands(single.steps);
    if (single.accuracy && parallel->accuracy) {
      const double points = (*parallel->accuracy - *single.accuracy) * 100;
      text += ", and the accuracy after as many epochs is " + decimal(std::abs(points), 2) +
              (points < 0 ? " points lower" : " points higher");
    }
    sentences.push_back(text + ".");
    std::string shares;
    for (const DemoRow& row : rows) {
      if (row.mode != "data-parallel") continue;
      shares += (shares.empty() ? "" : ", ") + percent(overhead(row), 0) + " with " +
                row.label.substr(row.label.find(' ') + 1);
    }
    sentences.push_back("Communication and waiting take this share of a rank's time: " + shares + ".");
  }
  if (synthetic) sentences.push_back(say_synthetic());
  return sentences;
}

}  // namespace dml
