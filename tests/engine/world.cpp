#include "tests/engine/world.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <thread>

#include "engine/train/backends.h"
#include "engine/train/device_communicator.h"

namespace dml::testing {
namespace {

std::vector<double> as_doubles(View view) {
  if (view.dtype == DType::f64) {
    const auto values = view.as<double>();
    return {values.begin(), values.end()};
  }
  const auto values = view.as<float>();
  return {values.begin(), values.end()};
}

OrderOfEpoch order_of(const Sampler& sampler) {
  return [&sampler](std::int64_t epoch) {
    auto order = std::make_shared<const EpochOrder>(sampler.epoch(epoch));
    return SampleOrder{order->length(), [order](std::int64_t p) { return order->sample(p); },
                       [order](std::int64_t p) { return order->holds(p); }};
  };
}

}  // namespace

DatasetSplits small_data(std::int64_t train, std::int64_t test) {
  return load_dataset({.name = "synthetic", .directory = "", .limit_train = train, .limit_test = test});
}

void run_world(const RunConfig& config, const DatasetSplits& data, const std::function<void(Session&)>& work,
               const PeersOf& peers_of) {
  const int ranks = config.parallel.ranks;
  auto communicators = make_thread_communicators(ranks, config.deadline);
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < failures.size(); ++rank) {
    threads.emplace_back([&, rank] {
      const std::unique_ptr<Communicator> communicator = std::move(communicators[rank]);
      try {
        const auto backend = make_backend(config, static_cast<int>(rank));
        const bool replicated = config.parallel.mode == Mode::data_parallel;
        const auto sampler = make_sampler(config.sampler, {.samples = data.train.samples,
                                                           .replicas = replicated ? ranks : 1,
                                                           .seed = config.seed,
                                                           .partitions = config.partitions,
                                                           .labels = data.train.labels});
        const DeviceCommunicator device =
            peers_of ? peers_of(static_cast<int>(rank), *communicator, *backend)
                     : make_device_communicator(config, static_cast<int>(rank), *communicator, *backend);
        Communicator& peers = device.communicator ? *device.communicator : *communicator;
        Session session(config, *backend, peers, data, order_of(*sampler));
        work(session);
      } catch (...) {
        failures[rank] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::exception_ptr lost_peer;
  for (const std::exception_ptr& failure : failures) {
    if (!failure) continue;
    try {
      std::rethrow_exception(failure);
    } catch (const PeerError&) {
      lost_peer = failure;
    } catch (...) {
      throw;
    }
  }
  if (lost_peer) std::rethrow_exception(lost_peer);
}

Trained train_steps(const RunConfig& config, const DatasetSplits& data, std::int64_t steps,
                    const std::function<void(Session&, std::int64_t)>& before_step) {
  Trained trained{{},
                  {},
                  std::vector<double>(static_cast<std::size_t>(steps)),
                  ParameterLayout(ModelSpec{.name = "", .input = {}, .classes = 0, .layers = {}})};
  run_world(config, data, [&](Session& session) {
    const bool reports = session.rank() == 0;
    if (reports) trained.layout = session.layout();
    std::int64_t epoch = 0, epoch_step = 0;
    BatchSequence batches = session.batches(epoch);
    StepBatch batch;
    for (std::int64_t step = 0; step < steps; ++step) {
      if (epoch_step == batches.steps()) {
        batches = session.batches(++epoch);
        epoch_step = 0;
      }
      batches.take(epoch_step++, batch);
      if (before_step) before_step(session, step);
      if (reports && step == 0) trained.initial_parameters = as_doubles(session.parameter_arena());
      const StepOutcome outcome = session.train_step(
          batch, {.step = step, .samples = batch.samples, .learning_rate = config.learning_rate.lr});
      std::vector<double> loss{outcome.loss_sum};
      session.communicator().all_reduce(view_of(std::span(loss)), session.stream());
      if (reports) {
        trained.losses[static_cast<std::size_t>(step)] =
            batch.samples > 0 ? loss[0] / static_cast<double>(batch.samples) : 0.0;
      }
    }
    session.gather_parameters();
    if (reports) trained.parameters = as_doubles(session.parameter_arena());
  });
  return trained;
}

double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, scale = 0;
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return std::numeric_limits<double>::infinity();
    difference = std::max(difference, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return difference / scale;
}

double smallest_layer_change(const Trained& trained) {
  double smallest = std::numeric_limits<double>::infinity();
  for (const ParameterTensor& tensor : trained.layout.tensors()) {
    if (tensor.shape.size() == 1) continue;  // a bias: its layer is judged by its weight
    double change = 0, norm = 0;
    for (std::int64_t i = tensor.offset; i < tensor.offset + tensor.elements; ++i) {
      const auto at = static_cast<std::size_t>(i);
      change += std::pow(trained.parameters[at] - trained.initial_parameters[at], 2);
      norm += std::pow(trained.initial_parameters[at], 2);
    }
    smallest = std::min(smallest, std::sqrt(change / norm));
  }
  return smallest;
}

}  // namespace dml::testing
