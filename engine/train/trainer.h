// The training loop: epochs, learning rates, losses, evaluation, checkpoints and stopping, on every rank
// alike.
//
//   for each epoch                        all ranks
//     for each window of steps              train_steps                    (timed: "training time")
//                                           sum of losses over ranks, agreement on stopping
//     settle the timelines                  who waited for whom            (not timed)
//     add up the ledgers                    which samples were consumed    (not timed)
//     evaluate, checkpoint                                                 (not timed)
//
// Losses stay on their rank for the length of a window (at most kWindowSteps steps or about a quarter of a
// second), so that no step waits for a report. Windows end at the same step on every rank: their length is a
// function of numbers that all ranks share.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/run/checkpoint.h"
#include "engine/train/session.h"

namespace dml {

/// What all ranks know after a window of steps.
struct WindowReport {
  std::int64_t epoch = 0, epochs = 0;  ///< epoch counts from 0
  std::int64_t step = 0, steps = 0;    ///< updates done, and those of the whole run
  double loss = 0;                     ///< mean over the samples of the window
  double learning_rate = 0;
  /// Unknown in a run's first window, a single step that is slower than those to come.
  std::optional<double> samples_per_second, remaining_seconds;
};

/// The mean loss of up to kLossBlockSteps steps, as metrics keep it: the same blocks whatever the windows.
struct LossBlock {
  std::int64_t epoch = 0, step = 0;  ///< at the end of the block
  double loss = 0, learning_rate = 0;
};

struct EpochReport {
  std::int64_t epoch = 0, epochs = 0, step = 0;
  double train_loss = 0;  ///< mean over the epoch's samples
  std::int64_t samples = 0;
  double samples_per_second = 0;
  std::optional<Evaluation> evaluation;
  EpochLedger ledger;
};

/// Told on every rank what happens; prints or stores it. Functions do nothing by default.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  virtual void on_step(std::int64_t /*step*/) {}
  virtual void on_window(const WindowReport& /*report*/) {}
  virtual void on_loss_block(const LossBlock& /*block*/) {}
  virtual void on_epoch(const EpochReport& /*report*/) {}
  virtual void on_checkpoint(const std::string& /*path*/) {}
};

struct TrainResult {
  bool stopped = false;  ///< by request, before its last step
  std::int64_t epochs = 0, steps = 0;
  std::int64_t trained_samples = 0;  ///< in this process's part of the run, as is train_seconds
  double train_seconds = 0;          ///< first to last step, without evaluation and checkpoints
  std::optional<double>
      final_train_loss;  ///< mean over the samples of the last epoch; none if no step was left
  std::optional<Evaluation> evaluation;
  TimeSplit time;
  std::vector<EpochLedger> ledgers;  ///< of the epochs that ended in this process, the newest kLedgers
  std::string checkpoint;            ///< the newest one written, on rank 0
};

class Trainer {
 public:
  Trainer(Session& session, TrainObserver& observer, std::function<bool()> stop_requested);

  /// Goes on from a checkpoint: collective; `checkpoint` is looked at on rank 0 only. Throws DataError when
  /// the samples that were consumed before are not those that this run's order begins with.
  void resume(const Checkpoint* checkpoint, const std::string& file);
  /// Collective. Throws NegativeResult, naming step and layer, when the loss is not finite.
  TrainResult train();

  static constexpr std::int64_t kWindowSteps = 100;
  static constexpr std::int64_t kLossBlockSteps = 100;
  static constexpr std::size_t kLedgers = 1000;
  static constexpr std::int64_t kSettleSteps = 2000;  ///< at most so many steps between looks at who waited

 private:
  struct Cursor {
    std::int64_t step = 0;  ///< updates done in the run
    std::int64_t epoch = 0;
    std::int64_t epoch_step = 0;  ///< steps done in the epoch
    double epoch_loss_sum = 0;
    std::int64_t epoch_samples = 0;
  };
  struct Window {
    std::vector<StepState> states;
    std::vector<double> losses;         ///< of each step: this rank's sum, then everybody's
    std::vector<std::int64_t> samples;  ///< of each step, over all ranks
    double seconds = 0;
    std::vector<double> busy_seconds;  ///< of each rank, what it did alone
    bool stop = false;
    std::int64_t not_finite_step = 0;  ///< of the first step that saw a NaN or infinity here
    std::string not_finite;            ///< where; empty when all was well
  };

  void run_epoch();
  void run_window(const BatchSequence& batches, std::int64_t steps);
  void follow_speed(BatchSequence& batches);
  void recount(const std::string& file, const std::vector<std::int64_t>& hash);
  [[nodiscard]] EpochLedger add_up_ledgers();
  [[nodiscard]] bool replicas_agree() const;
  void look_for_not_finite(std::span<const StepOutcome> outcomes);
  void share_window();
  [[noreturn]] void report_not_finite();
  void account_window();
  void settle();
  void finish_epoch();
  void write_checkpoint_now();
  [[nodiscard]] Checkpoint checkpoint(std::uint64_t ledger_hash);
  [[nodiscard]] std::int64_t total_steps() const;
  [[nodiscard]] std::int64_t next_window_steps(std::int64_t steps_in_epoch) const;

  Session& session_;
  TrainObserver& observer_;
  std::function<bool()> stop_requested_;
  std::int64_t steps_per_epoch_;
  Cursor cursor_;
  Window window_;
  std::vector<StepBatch> batches_;  ///< of a window; their memory is used again
  std::vector<double> shares_;      ///< of the replicas, with Share::speed
  std::int64_t busy_ns_ = 0;        ///< of this rank at the end of the last window
  double seconds_per_step_ = 0;     ///< of the last window, the mean over ranks
  double block_loss_sum_ = 0;
  std::int64_t block_samples_ = 0;
  std::int64_t last_checkpoint_step_ = -1;
  std::int64_t checkpoint_due_step_ = 0;  ///< the next one that --checkpoint-every asks for
  std::int64_t settled_step_ = 0;
  double epoch_seconds_ = 0;
  std::int64_t epoch_trained_samples_ = 0;
  TrainResult result_;
};

}  // namespace dml
