// Times one training step of lenet or mnist-cnn on the CPU backend, whole and operation by operation.
//
//   cpu_step_benchmark [lenet|mnist-cnn] [batch] [threads] [seconds] [brief]
//
// Prints medians in microseconds. Random images and labels; a new batch is gathered in every step.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "kernels/base/philox.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/cpu_executable.h"
#include "kernels/cpu/threads.h"
#include "tests/kernels/cpu_models.h"

namespace dml::test {
namespace {

double now_us() {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Processor time of all threads: what a step costs when other programs share the machine.
double used_us() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values.at(static_cast<std::size_t>(q * static_cast<double>(values.size() - 1)));
}

// Operations show their lower decile: on a shared machine the median of a long one holds a slice of another
// program.
constexpr double kShown = 0.1;

struct Settings {
  std::string model = "lenet";
  std::int64_t batch = 32;
  int threads = 1;
  double seconds = 2;
  bool brief = false;
};

int benchmark(const Settings& settings) {
  const StageCase stage = settings.model == "lenet" ? lenet(settings.batch) : mnist_cnn(settings.batch);
  constexpr std::int64_t kSamples = 4096;
  constexpr std::int64_t kPixels = std::int64_t{28} * 28;
  const PhiloxStream random(1, RandomUse::synthetic_data, 0);
  std::vector<std::uint8_t> images(kSamples * kPixels);
  std::vector<std::uint8_t> labels(kSamples);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(random.word(i));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::uint8_t>(random.word(i) % 10);
  const DataBinding data{images, labels};

  HostBuffer values(stage.arena_elements, DType::f32);
  HostBuffer gradients(stage.arena_elements, DType::f32);
  HostBuffer momentum(stage.arena_elements, DType::f32);
  const auto weights = values.as<float>();
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = 0.1F * (random.uniform(i) - 0.5F);
  ParameterBinding parameters{values.view(), gradients.view(), 1, nullptr};

  const auto backend = make_cpu_backend(settings.threads);
  const auto stream = backend->make_stream();
  const auto executable = backend->compile(stage.operations, parameters, data, {});
  const auto optimizer =
      backend->make_optimizer({}, parameters, momentum.view(), stage.first_parameter, stage.parameters);
  StepState state{0, settings.batch, 1e-4};
  std::uint64_t drawn = 0;
  const auto draw = [&] {
    for (std::int64_t& index : executable->sample_indices()) index = random.word(drawn++) % kSamples;
  };

  std::vector<double> whole;
  double used = 0;
  double end = 0;
  for (int step = 0; step < 30 || now_us() < end; ++step) {
    if (step == 20) end = now_us() + settings.seconds * 1e6;
    draw();
    const double used_before = used_us();
    const double start = now_us();
    executable->run(Phase::forward, *stream);
    executable->run(Phase::backward, *stream);
    optimizer->run(state, *stream);
    ++state.step;
    if (step < 20) continue;
    whole.push_back(now_us() - start);
    used += used_us() - used_before;
  }

  if (!settings.brief) {
    const auto& steps = dynamic_cast<cpu::CpuExecutable&>(*executable).steps();
    std::vector<std::vector<double>> forward(steps.size());
    std::vector<std::vector<double>> backward(steps.size());
    std::vector<double> update;
    const cpu::ThreadScope team(settings.threads);
    end = now_us() + settings.seconds * 1e6;
    while (now_us() < end || update.size() < 5) {
      draw();
      double start = now_us();
      const auto lap = [&] {
        const double before = start;
        start = now_us();
        return start - before;
      };
      for (std::size_t i = 0; i < steps.size(); ++i) {
        steps[i]->forward();
        forward[i].push_back(lap());
      }
      for (std::size_t i = steps.size(); i-- > 0;) {
        steps[i]->backward(false);
        backward[i].push_back(lap());
      }
      optimizer->run(state, *stream);
      update.push_back(lap());
    }
    std::printf("%-14s %9s %9s  %s\n", "layer", "forward", "backward", "operation");
    for (std::size_t i = 0; i < steps.size(); ++i) {
      std::printf("%-14s %9.1f %9.1f  %s\n", steps[i]->layer().c_str(), quantile(forward[i], kShown),
                  quantile(backward[i], kShown), steps[i]->description().c_str());
    }
    std::printf("%-14s %9.1f\n", "sgd", quantile(update, kShown));
  }
  std::printf(
      "%s batch %lld, %d threads: step median %.1f us (p10 %.1f, p90 %.1f, processor %.1f), %.1f steps/s, "
      "n=%zu, loss %.4f\n",
      settings.model.c_str(), static_cast<long long>(settings.batch), settings.threads, quantile(whole, 0.5),
      quantile(whole, 0.1), quantile(whole, 0.9), used / static_cast<double>(whole.size()),
      1e6 / quantile(whole, 0.5), whole.size(),
      executable->loss().loss_sum / static_cast<double>(settings.batch));
  return 0;
}

}  // namespace
}  // namespace dml::test

int main(int argc, char** argv) {
  dml::test::Settings settings;
  if (argc > 1) settings.model = argv[1];
  if (argc > 2) settings.batch = std::atoll(argv[2]);
  if (argc > 3) settings.threads = std::atoi(argv[3]);
  if (argc > 4) settings.seconds = std::atof(argv[4]);
  settings.brief = argc > 5;
  return dml::test::benchmark(settings);
}
