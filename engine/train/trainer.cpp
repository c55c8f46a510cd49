#include "engine/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/run/checkpoint_directory.h"
#include "engine/train/agreement.h"
#include "engine/train/learning_rate.h"
#include "engine/train/settle.h"

namespace dml {
namespace {

constexpr double kWindowSeconds = 0.25;
constexpr double kLeastImbalance = 1.1;  // of the ranks' times, before shares move

double seconds_between(std::int64_t start_ns, std::int64_t end_ns) {
  return static_cast<double>(end_ns - start_ns) * 1e-9;
}

std::string decimal_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

Trainer::Trainer(Session& session, TrainObserver& observer, std::function<bool()> stop_requested)
    : session_(session),
      observer_(observer),
      stop_requested_(std::move(stop_requested)),
      steps_per_epoch_(session.batches(0).steps()),
      batches_(1) {}

std::int64_t Trainer::total_steps() const {
  const std::int64_t by_epochs = session_.config().epochs * steps_per_epoch_;
  return std::min(by_epochs, session_.config().steps.value_or(by_epochs));
}

void Trainer::resume(const Checkpoint* checkpoint, const std::string& file) {
  std::vector<double> numbers(5, 0.0);
  std::vector<std::int64_t> ledger(2, 0);  // whether the hash is known, and its bits
  if (session_.rank() == 0) {
    DML_ASSERT(checkpoint != nullptr, "rank 0 resumes from a checkpoint");
    restore_tensors(*checkpoint, this->checkpoint(0), file);
    if (checkpoint->ledger_hash) ledger = {1, static_cast<std::int64_t>(*checkpoint->ledger_hash)};
    const std::int64_t batch = session_.config().batch;
    const std::int64_t length = std::min(checkpoint->cursor, steps_per_epoch_ * batch);
    const std::int64_t steps = (length + batch - 1) / batch;
    numbers = {static_cast<double>(checkpoint->step), static_cast<double>(checkpoint->epoch),
               static_cast<double>(steps), checkpoint->epoch_loss_sum,
               static_cast<double>(checkpoint->epoch_samples)};
  }
  session_.broadcast_parameters();
  session_.communicator().broadcast(view_of(std::span(numbers)), 0, session_.stream());
  session_.communicator().broadcast(view_of(std::span(ledger)), 0, session_.stream());
  cursor_ = {.step = static_cast<std::int64_t>(numbers[0]),
             .epoch = static_cast<std::int64_t>(numbers[1]),
             .epoch_step = static_cast<std::int64_t>(numbers[2]),
             .epoch_loss_sum = numbers[3],
             .epoch_samples = static_cast<std::int64_t>(numbers[4])};
  last_checkpoint_step_ = cursor_.step;
  recount(file, ledger);
}

/// Consumes again, for the ledger alone, what the epoch's order gave before the checkpoint, and holds it
/// against what was consumed then.
void Trainer::recount(const std::string& file, const std::vector<std::int64_t>& hash) {
  const BatchSequence batches = session_.batches(cursor_.epoch);
  StepBatch& batch = batches_.front();
  for (std::int64_t step = 0; step < cursor_.epoch_step; ++step) {
    batches.take(step, batch);
    if (session_.topology().is_first_stage(session_.rank())) {
      for (const auto& samples : batch.micro_batches) session_.ledger().consume(samples);
    }
  }
  const EpochLedger ledger = add_up_ledgers();
  if (hash[0] == 0 || ledger.sum.hash == static_cast<std::uint64_t>(hash[1])) return;
  throw DataError(file + ": the samples that were consumed before it was written (hash " +
                  hash_text(static_cast<std::uint64_t>(hash[1])) +
                  ") are not those that the order of this run begins with (" + hash_text(ledger.sum.hash) +
                  "); resume with the program and the data that the run was begun with");
}

/// Collective: the counts of all ranks for the epoch so far.
EpochLedger Trainer::add_up_ledgers() {
  const std::span<const std::int32_t> mine = session_.ledger().counts();
  std::vector<std::int32_t> all(mine.begin(), mine.end());
  if (session_.communicator().size() > 1) {
    session_.communicator().all_reduce(view_of(std::span(all)), session_.stream());
  }
  return read_counts(all, cursor_.epoch, cursor_.epoch_step == steps_per_epoch_);
}

/// True where all replicas hold the same weights: always, but for the inside of a round of local steps.
bool Trainer::replicas_agree() const {
  const std::int64_t local_steps = session_.config().parallel.local_steps;
  return local_steps == 0 || cursor_.epoch_step % local_steps == 0 ||
         cursor_.epoch_step == steps_per_epoch_ || cursor_.step == total_steps();
}

TrainResult Trainer::train() {
  session_.timeline().reset();
  settled_step_ = cursor_.step;
  busy_ns_ = 0;
  const std::int64_t every = session_.config().checkpoint_every_steps;
  if (every > 0) checkpoint_due_step_ = (cursor_.step / every + 1) * every;
  const BatchSequence first = session_.batches(cursor_.epoch);
  for (const std::int64_t step : {std::int64_t{0}, first.steps() - 1}) {  // a full step and the tail
    first.take(step, batches_.front());
    session_.prepare(batches_.front());
  }
  while (cursor_.step < total_steps() && !result_.stopped) run_epoch();
  if (!session_.config().run_dir.empty() && cursor_.step != last_checkpoint_step_) write_checkpoint_now();
  session_.gather_parameters();
  session_.check_weights();

  result_.steps = cursor_.step;
  result_.epochs = cursor_.epoch;
  result_.time = session_.timeline().split(result_.train_seconds);
  return result_;
}

void Trainer::run_epoch() {
  BatchSequence batches = session_.batches(cursor_.epoch);
  if (!shares_.empty()) batches.set_shares(shares_);
  epoch_seconds_ = 0;
  epoch_trained_samples_ = 0;
  while (cursor_.epoch_step < steps_per_epoch_ && cursor_.step < total_steps() && !result_.stopped) {
    run_window(batches, next_window_steps(steps_per_epoch_));
    if (session_.config().parallel.share == Share::speed) follow_speed(batches);
    if (cursor_.step - settled_step_ >= kSettleSteps) settle();
    const bool due = checkpoint_due_step_ > 0 && cursor_.step >= checkpoint_due_step_ && replicas_agree();
    while (due && checkpoint_due_step_ <= cursor_.step) {
      checkpoint_due_step_ += session_.config().checkpoint_every_steps;
    }
    if (due || (result_.stopped && !session_.config().run_dir.empty())) write_checkpoint_now();
  }
  settle();
  const bool whole_epoch = cursor_.epoch_step == steps_per_epoch_;
  if (whole_epoch || cursor_.step == total_steps()) finish_epoch();
}

/// Windows end at the end of an epoch, of the run, of every checkpoint interval, and of rounds of local steps
/// that are no longer than they are.
std::int64_t Trainer::next_window_steps(std::int64_t steps_in_epoch) const {
  std::int64_t steps = 1;  // the first step is reported by itself
  if (seconds_per_step_ > 0) {
    steps = std::clamp(static_cast<std::int64_t>(kWindowSeconds / seconds_per_step_), std::int64_t{1},
                       kWindowSteps);
  }
  const std::int64_t round = session_.config().parallel.local_steps;
  if (round > 0) {
    const std::int64_t rest = round - cursor_.epoch_step % round;
    const bool must_end = window_.stop || (checkpoint_due_step_ > 0 && checkpoint_due_step_ <= cursor_.step);
    if (must_end) {
      steps = std::min(steps, rest);
    } else if (steps >= rest) {
      steps = rest + (steps - rest) / round * round;
    }
  }
  steps = std::min({steps, steps_in_epoch - cursor_.epoch_step, total_steps() - cursor_.step});
  const std::int64_t to_checkpoint = checkpoint_due_step_ - cursor_.step;
  return to_checkpoint > 0 ? std::min(steps, to_checkpoint) : steps;
}

/// Gives each replica a share in proportion to share / time of the last window: at rest when all take equally
/// long, whatever part of their time depends on the share. Half of the way (in the exponent) at a time, and
/// not at all where the times are close: kernels take samples in groups, so that a share which is off by one
/// can cost more than it saves.
void Trainer::follow_speed(BatchSequence& batches) {
  const auto [fastest, slowest] =
      std::minmax_element(window_.busy_seconds.begin(), window_.busy_seconds.end());
  const bool tail_alone = window_.samples.front() < session_.config().batch && steps_per_epoch_ > 1;
  if (tail_alone || *fastest <= 0 || *slowest < kLeastImbalance * *fastest) return;
  if (shares_.empty()) shares_.assign(window_.busy_seconds.size(), 1.0);
  double sum = 0;
  for (std::size_t r = 0; r < shares_.size(); ++r) {
    shares_[r] *= 1 / std::sqrt(window_.busy_seconds[r]);
    sum += shares_[r];
  }
  for (double& share : shares_) share /= sum;
  batches.set_shares(shares_);
}

void Trainer::run_window(const BatchSequence& batches, std::int64_t steps) {
  const RunConfig& config = session_.config();
  window_ = {};
  const std::int64_t start_ns = monotonic_ns();
  if (batches_.size() < static_cast<std::size_t>(steps)) batches_.resize(static_cast<std::size_t>(steps));
  std::vector<StepState>& states = window_.states;
  for (std::int64_t i = 0; i < steps; ++i) {
    StepBatch& batch = batches_[static_cast<std::size_t>(i)];
    batches.take(cursor_.epoch_step + i, batch);
    const std::int64_t step = cursor_.step + i;
    batch.average = batch.average || (config.parallel.local_steps > 0 && step + 1 == total_steps());
    states.push_back(
        {.step = step,
         .samples = batch.samples,
         .learning_rate = learning_rate(config.learning_rate, step, cursor_.epoch, total_steps())});
    window_.samples.push_back(batch.samples);
  }
  const std::vector<StepOutcome> outcomes =
      session_.train_steps(std::span(batches_).first(states.size()), states,
                           [this](std::int64_t step) { observer_.on_step(step); });
  for (const StepOutcome& outcome : outcomes) window_.losses.push_back(outcome.loss_sum);
  look_for_not_finite(outcomes);
  window_.seconds = seconds_between(start_ns, monotonic_ns());
  share_window();
  const double seconds = seconds_between(start_ns, monotonic_ns());
  result_.train_seconds += seconds;
  epoch_seconds_ += seconds;
  account_window();
}

/// Notes the first step in which this rank has seen a NaN or an infinity, and where; the other ranks are told
/// at the end of the window.
void Trainer::look_for_not_finite(std::span<const StepOutcome> outcomes) {
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const StepOutcome& outcome = outcomes[i];
    if (outcome.not_finite.empty() && std::isfinite(outcome.loss_sum)) continue;
    window_.not_finite = outcome.not_finite.empty() ? "in the loss" : outcome.not_finite;
    window_.not_finite_step = window_.states[i].step;
    return;
  }
}

/// Sums the losses over ranks, and agrees on stopping, on the time a step takes, and on whether all is well.
void Trainer::share_window() {
  std::vector<double> shared = window_.losses;
  shared.push_back(stop_requested_() ? 1.0 : 0.0);
  shared.push_back(window_.seconds);
  shared.push_back(window_.not_finite.empty() ? 0.0 : 1.0);
  Communicator& communicator = session_.communicator();
  const auto ranks = static_cast<std::size_t>(communicator.size());
  const std::int64_t busy_ns = session_.timeline().compute_ns() + session_.timeline().preparation_ns();
  for (int rank = 0; rank < communicator.size(); ++rank) {
    shared.push_back(rank == communicator.rank() ? static_cast<double>(busy_ns - busy_ns_) * 1e-9 : 0.0);
  }
  busy_ns_ = busy_ns;
  if (communicator.size() > 1) {
    session_.finish_compute();
    CommunicationRecord record{.kind = CommunicationRecord::Kind::collective, .start_ns = monotonic_ns()};
    communicator.all_reduce(view_of(std::span(shared)), session_.stream());
    record.end_ns = monotonic_ns();
    session_.timeline().add_communication("losses", record);
  }
  const std::size_t steps = window_.losses.size();
  if (shared[steps + 2] > 0) report_not_finite();
  window_.losses.assign(shared.begin(), shared.begin() + static_cast<std::ptrdiff_t>(steps));
  window_.stop = shared[steps] > 0;
  window_.seconds = shared[steps + 1] / communicator.size();
  seconds_per_step_ = window_.seconds / static_cast<double>(steps);
  window_.busy_seconds.assign(shared.end() - static_cast<std::ptrdiff_t>(ranks), shared.end());
}

/// Collective: every rank throws the same error, that of the earliest step and, in a pipeline, of the first
/// stage.
void Trainer::report_not_finite() {
  if (session_.can_retrace()) {
    look_for_not_finite(session_.retrace(std::span(batches_).first(window_.states.size()), window_.states));
  }
  std::string mine;
  if (!window_.not_finite.empty()) {
    char step[32];
    std::snprintf(step, sizeof step, "%020lld ", static_cast<long long>(window_.not_finite_step));
    mine = step + window_.not_finite;
  }
  std::string first;
  int first_rank = 0;
  const std::vector<std::string> all = gather_texts(session_.communicator(), session_.stream(), mine);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const bool earlier =
        !all[rank].empty() && (first.empty() || all[rank].substr(0, 20) < first.substr(0, 20));
    if (!earlier) continue;
    first = all[rank];
    first_rank = static_cast<int>(rank);
  }
  throw NegativeResult("the loss became NaN or infinite at step " + std::to_string(std::stoll(first)) +
                       " (epoch " + std::to_string(cursor_.epoch + 1) + ") on rank " +
                       std::to_string(first_rank) + ": " + first.substr(21) + ". Lower --lr, which is " +
                       decimal_text(session_.config().learning_rate.lr) + ", or look at the data");
}

void Trainer::account_window() {
  const RunConfig& config = session_.config();
  double loss_sum = 0;
  std::int64_t samples = 0;
  for (std::size_t i = 0; i < window_.losses.size(); ++i) {
    loss_sum += window_.losses[i];
    samples += window_.samples[i];
    cursor_.epoch_loss_sum += window_.losses[i];
    cursor_.epoch_samples += window_.samples[i];
    block_loss_sum_ += window_.losses[i];
    block_samples_ += window_.samples[i];
    ++cursor_.step;
    ++cursor_.epoch_step;
    const bool block_ends = cursor_.step % kLossBlockSteps == 0 || cursor_.epoch_step == steps_per_epoch_ ||
                            cursor_.step == total_steps();
    if (block_ends && block_samples_ > 0) {
      const double rate = learning_rate(config.learning_rate, cursor_.step - 1, cursor_.epoch, total_steps());
      observer_.on_loss_block(
          {cursor_.epoch, cursor_.step, block_loss_sum_ / static_cast<double>(block_samples_), rate});
      block_loss_sum_ = 0;
      block_samples_ = 0;
    }
  }
  result_.trained_samples += samples;
  epoch_trained_samples_ += samples;
  result_.stopped = window_.stop && cursor_.step < total_steps() && replicas_agree();
  WindowReport report{
      .epoch = cursor_.epoch,
      .epochs = config.epochs,
      .step = cursor_.step,
      .steps = total_steps(),
      .loss = samples > 0 ? loss_sum / static_cast<double>(samples) : 0,
      .learning_rate = learning_rate(config.learning_rate, cursor_.step - 1, cursor_.epoch, total_steps()),
      .samples_per_second = {},
      .remaining_seconds = {}};
  if (result_.trained_samples > samples) {
    report.samples_per_second = static_cast<double>(samples) / window_.seconds;
    report.remaining_seconds = seconds_per_step_ * static_cast<double>(total_steps() - cursor_.step);
  }
  observer_.on_window(report);
}

void Trainer::settle() {
  settle_timeline(session_.timeline(), session_.communicator(), session_.stream());
  settled_step_ = cursor_.step;
}

void Trainer::finish_epoch() {
  const RunConfig& config = session_.config();
  EpochReport report{.epoch = cursor_.epoch,
                     .epochs = config.epochs,
                     .step = cursor_.step,
                     .train_loss = cursor_.epoch_loss_sum / static_cast<double>(cursor_.epoch_samples),
                     .samples = cursor_.epoch_samples,
                     .samples_per_second = epoch_seconds_ > 0
                                               ? static_cast<double>(epoch_trained_samples_) / epoch_seconds_
                                               : 0,
                     .evaluation = {},
                     .ledger = add_up_ledgers()};
  result_.ledgers.push_back(report.ledger);
  if (result_.ledgers.size() > kLedgers) result_.ledgers.erase(result_.ledgers.begin());
  const bool last = cursor_.step == total_steps();
  const std::int64_t every = config.eval_every_epochs;
  if (every > 0 && (last || (cursor_.epoch + 1) % every == 0)) report.evaluation = session_.evaluate();
  result_.final_train_loss = report.train_loss;
  if (report.evaluation) result_.evaluation = report.evaluation;
  observer_.on_epoch(report);
  if (cursor_.epoch_step == steps_per_epoch_) {
    ++cursor_.epoch;
    cursor_.epoch_step = 0;
    cursor_.epoch_loss_sum = 0;
    cursor_.epoch_samples = 0;
    session_.ledger().clear();
  }
  session_.communicator().barrier(session_.stream());  // so that the next epoch starts together
}

Checkpoint Trainer::checkpoint(std::uint64_t ledger_hash) {
  Checkpoint checkpoint;
  checkpoint.weights = session_.weights();
  const std::vector<std::vector<NamedTensor>> slots = session_.optimizer_state();
  const std::vector<std::string> names = slots.size() == 2
                                             ? std::vector<std::string>{"first_moment", "second_moment"}
                                             : std::vector<std::string>{"momentum"};
  for (std::size_t slot = 0; slot < slots.size(); ++slot)
    checkpoint.optimizer.push_back({names[slot], slots[slot]});
  checkpoint.step = cursor_.step;
  checkpoint.epoch = cursor_.epoch;
  checkpoint.cursor = cursor_.epoch_step * session_.config().batch;
  checkpoint.epoch_loss_sum = cursor_.epoch_loss_sum;
  checkpoint.epoch_samples = cursor_.epoch_samples;
  checkpoint.ledger_hash = ledger_hash;
  checkpoint.configuration = canonical_configuration(session_.config());
  return checkpoint;
}

void Trainer::write_checkpoint_now() {
  settle();
  session_.gather_parameters();
  const EpochLedger ledger = add_up_ledgers();
  if (session_.rank() == 0) {
    result_.checkpoint = write_checkpoint(session_.config().run_dir, checkpoint(ledger.sum.hash));
    observer_.on_checkpoint(result_.checkpoint);
  }
  last_checkpoint_step_ = cursor_.step;
  session_.communicator().barrier(session_.stream());
}

}  // namespace dml
