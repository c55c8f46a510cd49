#include "runners/cli/suggest.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace dml {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// Names used by PyTorch examples, torchrun, Hugging Face, Lightning, DeepSpeed, Horovod, Megatron and Keras.
constexpr std::array kForeignFlags = {
    Pair{"accum", "--accumulate"},
    Pair{"accumulate-grad-batches", "--accumulate"},
    Pair{"amp", "--precision"},
    Pair{"arch", "--model"},
    Pair{"architecture", "--model"},
    Pair{"backend", "--device (ranks on CPUs talk through Gloo by themselves)"},
    Pair{"balance", "--split"},
    Pair{"batch-size", "--batch"},
    Pair{"batchsize", "--batch"},
    Pair{"bf16", "--precision bf16"},
    Pair{"bs", "--batch"},
    Pair{"bucket-cap-mb", "--bucket-bytes"},
    Pair{"checkpoint", "--run-dir D --resume"},
    Pair{"checkpoint-dir", "--run-dir"},
    Pair{"checkpoint-interval", "--checkpoint-every"},
    Pair{"chunks", "--micro-batches"},
    Pair{"ckpt-path", "--run-dir D --resume"},
    Pair{"cpu", "--device cpu"},
    Pair{"cuda", "--device cuda"},
    Pair{"data", "--data-dir"},
    Pair{"data-path", "--data-dir"},
    Pair{"data-root", "--data-dir"},
    Pair{"dataroot", "--data-dir"},
    Pair{"ddp", "--mode data-parallel"},
    Pair{"devices", "--ranks"},
    Pair{"dist-url", "--rendezvous"},
    Pair{"distributed", "--mode data-parallel"},
    Pair{"dtype", "--precision"},
    Pair{"fp16", "--precision"},
    Pair{"fp32", "--precision fp32"},
    Pair{"fp64", "--precision fp64"},
    Pair{"gamma", "--lr-schedule step:gamma=G"},
    Pair{"global-batch-size", "--batch"},
    Pair{"gpu", "--gpus"},
    Pair{"gpu-ids", "--gpus"},
    Pair{"grad-accum", "--accumulate"},
    Pair{"gradient-accumulation-steps", "--accumulate"},
    Pair{"init-method", "--rendezvous"},
    Pair{"iterations", "--steps"},
    Pair{"iters", "--steps"},
    Pair{"j", "--threads"},
    Pair{"learning-rate", "--lr"},
    Pair{"load", "--init-from"},
    Pair{"load-from", "--init-from"},
    Pair{"local-batch-size", "--batch-per-rank"},
    Pair{"log-dir", "--run-dir"},
    Pair{"logdir", "--run-dir"},
    Pair{"lr-scheduler", "--lr-schedule"},
    Pair{"lr-scheduler-type", "--lr-schedule"},
    Pair{"manual-seed", "--seed"},
    Pair{"master-addr", "--rendezvous"},
    Pair{"master-port", "--rendezvous"},
    Pair{"max-epochs", "--epochs"},
    Pair{"max-steps", "--steps"},
    Pair{"micro-batch-size", "--micro-batches (how many, not how large)"},
    Pair{"mixed-precision", "--precision"},
    Pair{"n", "--ranks"},
    Pair{"net", "--model"},
    Pair{"network", "--model"},
    Pair{"no-cuda", "--device cpu"},
    Pair{"np", "--ranks"},
    Pair{"nproc", "--ranks"},
    Pair{"nproc-per-node", "--ranks"},
    Pair{"num-epochs", "--epochs"},
    Pair{"num-gpus", "--ranks"},
    Pair{"num-microbatches", "--micro-batches"},
    Pair{"num-proc", "--ranks"},
    Pair{"num-processes", "--ranks"},
    Pair{"num-ranks", "--ranks"},
    Pair{"num-replicas", "--ranks"},
    Pair{"num-threads", "--threads"},
    Pair{"num-train-epochs", "--epochs"},
    Pair{"num-workers", "--threads"},
    Pair{"o", "--run-dir"},
    Pair{"opt", "--optimizer"},
    Pair{"optim", "--optimizer"},
    Pair{"output", "--run-dir"},
    Pair{"output-dir", "--run-dir"},
    Pair{"p", "--ranks"},
    Pair{"parallel", "--mode"},
    Pair{"per-device-train-batch-size", "--batch-per-rank"},
    Pair{"pipeline-model-parallel-size", "--mode model-parallel --ranks"},
    Pair{"pipeline-parallel-size", "--mode model-parallel --ranks"},
    Pair{"pp", "--mode model-parallel --ranks"},
    Pair{"pretrained", "--init-from"},
    Pair{"random-seed", "--seed"},
    Pair{"rdzv-endpoint", "--rendezvous"},
    Pair{"resume-from-checkpoint", "--run-dir D --resume"},
    Pair{"root", "--data-dir"},
    Pair{"save", "--save-to"},
    Pair{"save-dir", "--run-dir"},
    Pair{"save-every", "--checkpoint-every"},
    Pair{"save-interval", "--checkpoint-every"},
    Pair{"save-model", "--save-to"},
    Pair{"save-steps", "--checkpoint-every"},
    Pair{"scheduler", "--lr-schedule"},
    Pair{"silent", "--quiet"},
    Pair{"step-size", "--lr-schedule step:epochs=N"},
    Pair{"strategy", "--mode"},
    Pair{"test-batch-size", "--batch"},
    Pair{"timeout", "--deadline"},
    Pair{"train-batch-size", "--batch"},
    Pair{"train-iters", "--steps"},
    Pair{"warmup", "--lr-schedule constant:warmup=N"},
    Pair{"warmup-iters", "--lr-schedule constant:warmup=N"},
    Pair{"wd", "--weight-decay"},
    Pair{"weights", "--init-from"},
    Pair{"workers", "--ranks"},
    Pair{"world-size", "--ranks"},
};

constexpr std::array kForeignModes = {
    Pair{"ddp", "data-parallel"},
    Pair{"distributed", "data-parallel"},
    Pair{"dp", "data-parallel"},
    Pair{"fsdp", "data-parallel"},
    Pair{"horovod", "data-parallel"},
    Pair{"layer", "model-parallel"},
    Pair{"local", "single"},
    Pair{"mirrored", "data-parallel"},
    Pair{"mp", "model-parallel"},
    Pair{"none", "single"},
    Pair{"one", "single"},
    Pair{"pipe", "model-parallel"},
    Pair{"pipeline", "model-parallel"},
    Pair{"pipeline-parallel", "model-parallel"},
    Pair{"pp", "model-parallel"},
    Pair{"replicated", "data-parallel"},
    Pair{"sequential", "single"},
    Pair{"serial", "single"},
};

/// Lower case, with '-' for '_'.
std::string normalised(std::string_view word) {
  std::string result(word);
  std::transform(result.begin(), result.end(), result.begin(), [](unsigned char letter) {
    return letter == '_' ? '-' : static_cast<char>(std::tolower(letter));
  });
  return result;
}

template <std::size_t size>
std::optional<std::string> look_up(const std::array<Pair, size>& table, std::string_view word) {
  const std::string name = normalised(word);
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Pair& entry) { return entry.first == name; });
  if (found == table.end()) return std::nullopt;
  return std::string(found->second);
}

// Longer words are nobody's typing error, and the distance takes quadratic time.
constexpr std::size_t kLongestWord = 64;

}  // namespace

int edit_distance(std::string_view left, std::string_view right) {
  // Three rows of the table whose entry (i, j) is the distance of left's first i letters to right's first j.
  std::vector<int> before_last(right.size() + 1);
  std::vector<int> last(right.size() + 1);
  std::vector<int> row(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j) last[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= left.size(); ++i) {
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const int replaced = last[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[right.size()];
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known) {
  if (word.empty() || word.size() > kLongestWord) return std::nullopt;
  const std::string wanted = normalised(word);
  const auto same = std::find_if(known.begin(), known.end(), [&](const std::string& candidate) {
    return normalised(candidate) == wanted;
  });
  if (same != known.end()) return *same;

  const int affordable = std::max(1, static_cast<int>(wanted.size()) / 3);
  const std::string* best = nullptr;
  int best_distance = affordable + 1;
  const std::string* completed = nullptr;
  int completions = 0;
  for (const std::string& candidate : known) {
    if (wanted.size() >= 3 && candidate.starts_with(wanted)) {
      completed = &candidate;
      ++completions;
    }
    const int distance = edit_distance(wanted, candidate);
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  if (completions == 1) return *completed;
  if (best != nullptr) return *best;
  return std::nullopt;
}

std::optional<std::string> foreign_flag(std::string_view name) {
  return look_up(kForeignFlags, name);
}

std::optional<std::string> foreign_mode(std::string_view word) {
  return look_up(kForeignModes, word);
}

std::string alternatives(std::span<const std::string> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace dml
