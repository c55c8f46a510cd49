#include "runners/evaluate.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "runners/progress.h"
#include "runners/rank_run.h"
#include "runners/result.h"
#include "runners/text.h"

namespace dml {

int run_evaluate(const Invocation& invocation, const RankContext& context) {
  if (invocation.config.init_from.empty()) {
    throw UsageError(
        "evaluate needs trained weights: add --init-from FILE.safetensors (train writes one with "
        "--save-to FILE, or as weights.safetensors in its --run-dir)");
  }
  RankRun run(invocation, context);
  Progress progress(run.is_rank_zero() ? Progress::style_for_stderr(invocation.quiet)
                                       : Progress::Style::none);
  progress.message(run.headline());
  const double setup_seconds = run.elapsed_seconds();
  const Evaluation evaluation = run.session().evaluate();
  Measurements measurements;
  measurements.evaluation = evaluation;
  measurements.setup_seconds = setup_seconds;
  measurements.weights_hash = run.session().weights_hash();
  if (!run.is_rank_zero()) return 0;
  if (invocation.json) {
    std::puts(json_text(result_json(run, measurements)).c_str());
  } else {
    std::printf("test accuracy  %s of %s, loss %s\nweights        %s\n",
                percent(evaluation.accuracy, 2).c_str(), plural(evaluation.samples, "sample").c_str(),
                decimal(evaluation.loss, 4).c_str(), measurements.weights_hash->c_str());
  }
  return 0;
}

}  // namespace dml
