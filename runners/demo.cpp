#include "runners/demo.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "kernels/base/error.h"
#include "runners/child_run.h"
#include "runners/cli/terminal.h"
#include "runners/demo_report.h"
#include "runners/status_line.h"
#include "runners/text.h"
#include "runners/version.h"

namespace dml {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kBatch = 32;
constexpr int kRanks = 2;
constexpr int kMicroBatches = 4;
constexpr double kAffordableSeconds = 150;    // of training, over all runs
constexpr std::int64_t kTrialSamples = 6400;  // enough to see the speed, done in a second or two
constexpr std::int64_t kTrialTestSamples = 1000;
constexpr std::int64_t kUsualSamples = 60000;  // of the training sets at hand

/// One run to make.
struct Plan {
  std::string label;
  std::string batch;  ///< for the table
  std::vector<std::string> flags;
};

struct Table {
  std::string title;
  std::vector<DemoRow> rows;
  std::vector<Json> results;
  std::vector<std::string> reading;
};

/// How much a run trains and tests on; 0: everything.
struct Size {
  std::int64_t epochs = 1, limit_train = 0, limit_test = 0;
};

class Demo {
 public:
  Demo(const Invocation& invocation, const Environment& environment)
      : invocation_(invocation),
        environment_(environment),
        threads_per_rank_(std::max(1, environment.usable_cores / kRanks)),
        // As many threads as the parallel runs have together, as far as there are cores.
        single_threads_(std::min(environment.usable_cores, kRanks * threads_per_rank_)),
        line_(invocation.quiet) {}

  int run() {
    choose_dataset();
    warn_when_busy();
    const Plan single{"single", std::to_string(kBatch), with_threads(single_threads_, {"--mode", "single"})};
    const std::string batch_flag = "--batch=" + std::to_string(kBatch);
    const std::string share_flag = "--batch-per-rank=" + std::to_string(kBatch);
    const std::string half = std::to_string(kRanks) + " x " + std::to_string(kBatch / kRanks);
    const std::string full = std::to_string(kRanks) + " x " + std::to_string(kBatch);
    const std::string pipeline =
        std::to_string(kMicroBatches) + " x " + std::to_string(kBatch / kMicroBatches);
    const std::string micro_batches = "--micro-batches=" + std::to_string(kMicroBatches);
    const auto data_parallel = [&](const std::string& aggregate, const std::string& batch,
                                   const std::string& flag) {
      return Plan{"data-parallel, " + aggregate, batch,
                  on_ranks({"--mode=data-parallel", "--aggregate=" + aggregate, flag})};
    };
    const std::vector<Plan> same_computation = {
        single,
        data_parallel("allreduce", half, batch_flag),
        data_parallel("allgather", half, batch_flag),
        {"model-parallel, sequential", std::to_string(kBatch),
         on_ranks({"--mode=model-parallel", batch_flag})},
        {"model-parallel, gpipe", pipeline,
         on_ranks({"--mode=model-parallel", "--schedule=gpipe", micro_batches, batch_flag})},
    };
    const std::vector<Plan> same_load = {
        data_parallel("allreduce", full, share_flag),
        data_parallel("allgather", full, share_flag),
    };
    runs_ = static_cast<int>(same_computation.size() + same_load.size());
    choose_size(single, runs_);

    Table first{"Same computation (global batch " + std::to_string(kBatch) + " in every mode)", {}, {}, {}};
    for (const Plan& plan : same_computation) add_run(plan, first);
    first.reading = read_same_computation(first.rows, synthetic());
    show(first);

    // Its first row is the single run above: the same command would only be run twice.
    DemoRow single_again = first.rows.front();
    single_again.label = "single, as above";
    Table second{"Same load per rank (" + std::to_string(kBatch) + " per rank)",
                 {single_again},
                 {first.results.front()},
                 {}};
    for (const Plan& plan : same_load) add_run(plan, second);
    second.reading = read_same_load(second.rows, synthetic());
    show(second);
    if (invocation_.json) print_json({first, second});
    return 0;
  }

 private:
  bool synthetic() const { return dataset_ == "synthetic"; }

  void say(const std::string& text) const {
    if (!invocation_.quiet) std::fprintf(stderr, "%s\n", wrapped(text).c_str());
  }

  void choose_dataset() {
    dataset_ = invocation_.config.data.name;
    if (invocation_.given("dataset")) return;
    for (const char* name : {"fashion-mnist", "mnist"}) {
      dataset_ = name;
      const std::string folder = find_dataset(name, invocation_.config.data.directory);
      if (folder.empty()) continue;
      say("Data: " + dataset_ + " in " + folder);
      return;
    }
    if (!invocation_.config.data.directory.empty()) {
      throw IoError(
          "--data-dir " + invocation_.config.data.directory +
          " holds neither fashion-mnist nor mnist. `dml_engine doctor` lists what is looked for; without "
          "--data-dir the usual places are tried.");
    }
    dataset_ = "synthetic";
    std::fputs(
        "\n*** SYNTHETIC DATA *** No real data set was found, so the images are made up on the spot. Speeds "
        "are\n"
        "real, accuracies are not. For real data: apt-get install dataset-fashion-mnist, or --data-dir "
        "DIR.\n\n",
        stderr);
  }

  /// Figures taken beside other work are wrong, the more so the more threads have to wait for each other.
  void warn_when_busy() const {
    double load = 0;  // processes that wanted to run, mean over the last minute
    if (getloadavg(&load, 1) != 1 || load < 0.5 + environment_.usable_cores / 2.0) return;
    say("Warning: this machine is busy (load " + decimal(load, 1) + " on " +
        plural(environment_.usable_cores, "core") +
        "). The speeds below will be off; repeat the demo when it is idle.");
  }

  std::vector<std::string> with_threads(int threads, std::vector<std::string> flags) const {
    flags.insert(flags.end(), {"--threads", std::to_string(threads)});
    return flags;
  }

  std::vector<std::string> on_ranks(std::vector<std::string> flags) const {
    flags.insert(flags.end(), {"--ranks", std::to_string(kRanks)});
    return with_threads(threads_per_rank_, std::move(flags));
  }

  std::vector<std::string> command_line(const std::vector<std::string>& flags, const Size& size) const {
    const RunConfig& config = invocation_.config;
    std::vector<std::string> words = {environment_.program, "train", "--json"};
    const auto add = [&](const char* flag, const std::string& value) {
      words.insert(words.end(), {flag, value});
    };
    add("--dataset", dataset_);
    add("--model", config.model);
    add("--seed", std::to_string(config.seed));
    add("--epochs", std::to_string(size.epochs));
    add("--eval-every", std::to_string(size.epochs));  // once, at the end
    if (!config.data.directory.empty()) add("--data-dir", config.data.directory);
    if (size.limit_train > 0) add("--limit-train", std::to_string(size.limit_train));
    if (size.limit_test > 0) add("--limit-test", std::to_string(size.limit_test));
    words.insert(words.end(), flags.begin(), flags.end());
    return words;
  }

  /// Two epochs when all runs together take a few minutes at most, otherwise one.
  void choose_size(const Plan& single, std::int64_t runs) {
    const RunConfig& config = invocation_.config;
    size_ = {config.epochs, config.data.limit_train, config.data.limit_test};
    if (invocation_.given("epochs")) return;
    const std::int64_t samples =
        size_.limit_train > 0 ? std::min(size_.limit_train, kUsualSamples) : kUsualSamples;
    const Size trial{1, std::min(samples, kTrialSamples), kTrialTestSamples};
    const Json result = run_once("trying the speed of this machine", command_line(single.flags, trial));
    const double seconds =
        static_cast<double>(runs * 2 * samples) / result.at("samples_per_second").get<double>();
    size_.epochs = seconds <= kAffordableSeconds ? 2 : 1;
  }

  void add_run(const Plan& plan, Table& table) {
    const std::string title = "[" + std::to_string(++done_) + "/" + std::to_string(runs_) + "] " + plan.label;
    Json result = run_once(title, command_line(plan.flags, size_));
    table.rows.push_back(read_demo_row(result, plan.label, plan.batch));
    table.results.push_back(std::move(result));
  }

  /// Makes one run, showing its progress as one line under `title`.
  Json run_once(const std::string& title, const std::vector<std::string>& command) {
    line_.title(title);
    const ChildResult child = run_child(command, [&](const std::string& text) { line_.progress(text); });
    line_.clear();
    if (child.exit_code != 0) {
      std::fprintf(stderr, "%s", child.last_errors.c_str());
      throw Error(static_cast<ExitCode>(child.exit_code),
                  title + ": this run of the demo ended with exit code " + std::to_string(child.exit_code) +
                      "; its own words are above. To repeat it:\n  " + shell_line(command));
    }
    try {
      return Json::parse(child.output);
    } catch (const Json::exception& error) {
      throw InternalError(title + ": its result is not JSON: " + error.what());
    }
  }

  /// On stdout as soon as it is complete, unless stdout is kept for JSON.
  void show(const Table& table) const {
    std::string text = table.title + ", " + plural(size_.epochs, "epoch") + " of " + dataset_ + "\n\n" +
                       demo_table(table.rows) + "\n";
    for (const std::string& sentence : table.reading)
      text += wrapped("- " + sentence, kTextColumns, 2) + "\n";
    std::fprintf(invocation_.json ? stderr : stdout, "%s\n", text.c_str());
    std::fflush(stdout);
  }

  void print_json(const std::vector<Table>& tables) const {
    Json json;
    json["schema_version"] = 1;
    json["version"] = version();
    json["git_revision"] = git_revision();
    json["command"] = "demo";
    json["dataset"] = dataset_;
    json["synthetic"] = synthetic();
    json["epochs"] = size_.epochs;
    json["tables"] = Json::array();
    for (const Table& table : tables) {
      Json rows = Json::array();
      for (std::size_t i = 0; i < table.rows.size(); ++i) {
        rows.push_back({{"label", table.rows[i].label},
                        {"speedup", table.rows[i].samples_per_second / table.rows.front().samples_per_second},
                        {"result", table.results[i]}});
      }
      json["tables"].push_back({{"title", table.title}, {"rows", rows}, {"reading", table.reading}});
    }
    std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  }

  const Invocation& invocation_;
  const Environment& environment_;
  int threads_per_rank_;
  int single_threads_;
  StatusLine line_;
  std::string dataset_;
  Size size_;
  int runs_ = 0;
  int done_ = 0;
};

}  // namespace

int run_demo(const Invocation& invocation, const Environment& environment) {
  return Demo(invocation, environment).run();
}

}  // namespace dml
