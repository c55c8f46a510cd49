// What the CPU backend promises beyond single operations: packed weights are shared and never stale, the same
// inputs give the same bits, an empty stage is legal, and a step allocates nothing of its own.
#include <array>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <new>
#include <vector>

#include "kernels/base/buffer.h"
#include "kernels/base/philox.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/packed_weights.h"
#include "tests/kernels/cpu_models.h"

namespace {

// Every operator new of the process, oneDNN's included, passes here.
std::atomic<std::int64_t> allocations{0};
std::atomic<std::size_t> largest_allocation_bytes{0};

void* counted(std::size_t bytes) {
  ++allocations;
  std::size_t largest = largest_allocation_bytes.load();
  while (bytes > largest && !largest_allocation_bytes.compare_exchange_weak(largest, bytes)) {
  }
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Inlined, the pairs below would look to the compiler like new matched with free.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  return counted(bytes);
}
[[gnu::noinline]] void* operator new[](std::size_t bytes) {
  return counted(bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t /*bytes*/) noexcept {
  std::free(memory);
}

namespace dml::test {
namespace {

constexpr std::int64_t kSamples = 100;
constexpr std::int64_t kPixels = std::int64_t{28} * 28;

/// A rank's memory: a data set, an arena, and executables that share them.
class Rank {
 public:
  Rank(int threads, std::int64_t arena_elements)
      : backend_(make_cpu_backend(threads)),
        stream_(backend_->make_stream()),
        images_(kSamples * kPixels),
        labels_(kSamples),
        values_(arena_elements, DType::f32),
        gradients_(arena_elements, DType::f32),
        state_(arena_elements, DType::f32) {
    const PhiloxStream random(3, RandomUse::synthetic_data, 0);
    for (std::size_t i = 0; i < images_.size(); ++i) images_[i] = static_cast<std::uint8_t>(random.word(i));
    for (std::size_t i = 0; i < labels_.size(); ++i)
      labels_[i] = static_cast<std::uint8_t>(random.word(i) % 10);
    const auto weights = values_.as<float>();
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = 0.2F * (random.uniform(i) - 0.5F);
    data_ = {images_, labels_};
    binding_ = {values_.view(), gradients_.view(), 1, nullptr};
  }

  std::unique_ptr<Executable> compile(const StageCase& stage, bool training = true) {
    return backend_->compile(stage.operations, binding_, data_, {training, false});
  }
  std::unique_ptr<Optimizer> sgd() {
    return backend_->make_optimizer({}, binding_, state_.view(), 0, binding_.values.elements);
  }
  void forward(Executable& executable, std::int64_t first_sample = 0) {
    for (std::int64_t& index : executable.sample_indices()) index = first_sample++ % kSamples;
    executable.run(Phase::forward, *stream_);
  }
  void backward(Executable& executable) { executable.run(Phase::backward, *stream_); }

  ParameterBinding& binding() { return binding_; }
  Stream& stream() { return *stream_; }
  std::span<float> values() { return values_.as<float>(); }
  std::span<float> gradients() { return gradients_.as<float>(); }
  [[nodiscard]] const cpu::PackedWeights& packed() const {
    return *static_cast<const cpu::PackedWeights*>(binding_.packed.get());
  }

 private:
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Stream> stream_;
  std::vector<std::uint8_t> images_, labels_;
  HostBuffer values_, gradients_, state_;
  DataBinding data_;
  ParameterBinding binding_;
};

std::vector<float> copy_of(const View& view) {
  const auto values = view.as<float>();
  return {values.begin(), values.end()};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(CpuPackedWeights, AreSharedByExecutablesOfOneBinding) {
  Rank rank(1, lenet(1).arena_elements);
  const auto train = rank.compile(lenet(32));
  const std::size_t copies = rank.packed().size();
  const auto again = rank.compile(lenet(32));
  EXPECT_EQ(rank.packed().size(), copies) << "the same layouts were packed a second time";

  rank.forward(*train);
  rank.backward(*train);
  const std::int64_t packed_once = rank.packed().times_packed();
  EXPECT_GT(packed_once, 0);
  rank.forward(*again);
  rank.backward(*again);
  EXPECT_EQ(rank.packed().times_packed(), packed_once) << "weights that had not changed were packed again";

  ++rank.binding().version;
  rank.forward(*again);
  rank.backward(*again);
  rank.forward(*train);
  rank.backward(*train);
  EXPECT_EQ(rank.packed().times_packed(), 2 * packed_once) << "each copy is packed once for each version";
}

TEST(CpuPackedWeights, FollowAnUpdateInEveryBatchSize) {
  for (const auto model : {lenet, mnist_cnn}) {
    Rank rank(1, model(1).arena_elements);
    const std::array executables = {rank.compile(model(32)), rank.compile(model(5)),
                                    rank.compile(model(20), false)};
    const auto optimizer = rank.sgd();
    for (int step = 0; step < 3; ++step) {
      rank.forward(*executables[0], step);
      rank.backward(*executables[0]);
      optimizer->run({step, 32, 0.1}, rank.stream());
    }
    for (const auto& executable : executables) {
      Rank fresh(1, model(1).arena_elements);
      std::copy(rank.values().begin(), rank.values().end(), fresh.values().begin());
      const auto samples = static_cast<std::int64_t>(executable->sample_indices().size());
      const auto expected = fresh.compile(model(samples), samples != 20);
      rank.forward(*executable);
      fresh.forward(*expected);
      EXPECT_TRUE(same_bits(copy_of(executable->output()), copy_of(expected->output())))
          << model(1).name << " with " << samples << " samples ran on old weights";
      EXPECT_EQ(executable->loss().loss_sum, expected->loss().loss_sum);
    }
  }
}

std::vector<float> train(int threads, const StageCase& stage, std::int64_t samples) {
  Rank rank(threads, stage.arena_elements);
  const auto executable = rank.compile(stage);
  const auto optimizer = rank.sgd();
  for (int step = 0; step < 5; ++step) {
    rank.forward(*executable, 7 * step);
    rank.backward(*executable);
    optimizer->run({step, samples, 0.05}, rank.stream());
  }
  return {rank.values().begin(), rank.values().end()};
}

TEST(CpuDeterminism, SameInputsAndThreadsGiveTheSameBits) {
  for (const int threads : {1, 2}) {
    for (const std::int64_t samples : {5, 37}) {
      EXPECT_TRUE(same_bits(train(threads, lenet(samples), samples), train(threads, lenet(samples), samples)))
          << "lenet, " << threads << " threads, " << samples << " samples";
    }
    EXPECT_TRUE(same_bits(train(threads, mnist_cnn(4), 4), train(threads, mnist_cnn(4), 4)))
        << "mnist-cnn, " << threads << " threads";
  }
}

/// The convolutional half of lenet, which runs on our own kernels alone.
StageCase lenet_convolutions(std::int64_t N) {
  StageCase stage = lenet(N);
  stage.operations.resize(7);
  return stage;
}

TEST(CpuDeterminism, LanesConvolutionsDoNotDependOnTheNumberOfThreads) {
  constexpr std::int64_t kN = 37;  // three blocks, the last with 11 lanes to spare
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    const StageCase stage = lenet_convolutions(kN);
    Rank rank(threads, stage.arena_elements);
    const auto executable = rank.compile(stage);
    rank.forward(*executable);
    const auto gradient = executable->output_gradient().as<float>();
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = static_cast<float>(i % 7) - 3;
    rank.backward(*executable);
    results.push_back(copy_of(executable->output()));
    results.back().insert(results.back().end(), rank.gradients().begin(), rank.gradients().end());
    EXPECT_TRUE(same_bits(results.back(), results.front())) << threads << " threads";
  }
}

TEST(CpuExecutable, WithoutSamplesLeavesZeroGradients) {
  const StageCase stage = lenet(0);
  Rank rank(1, stage.arena_elements);
  const auto executable = rank.compile(stage);
  std::fill(rank.gradients().begin(), rank.gradients().end(), 5.0F);
  rank.forward(*executable);
  EXPECT_EQ(executable->loss().loss_sum, 0);
  EXPECT_EQ(executable->loss().correct, 0);
  executable->run(Phase::backward_accumulate, rank.stream());
  EXPECT_EQ(rank.gradients().front(), 5.0F) << "nothing is added";
  rank.backward(*executable);
  EXPECT_TRUE(std::all_of(rank.gradients().begin() + stage.first_parameter,
                          rank.gradients().begin() + stage.first_parameter + stage.parameters,
                          [](float gradient) { return gradient == 0; }));
}

TEST(CpuExecutable, ANanInTheFirstLayerReachesTheLoss) {
  for (const auto model : {lenet, mnist_cnn}) {
    const StageCase stage = model(16);
    Rank rank(1, stage.arena_elements);
    const auto executable = rank.compile(stage);
    rank.forward(*executable);
    EXPECT_TRUE(std::isfinite(executable->loss().loss_sum));
    EXPECT_EQ(executable->first_non_finite_layer(), "");
    rank.values()[static_cast<std::size_t>(stage.first_parameter)] = std::numeric_limits<float>::quiet_NaN();
    ++rank.binding().version;
    rank.forward(*executable);
    EXPECT_TRUE(std::isnan(executable->loss().loss_sum)) << stage.name << ": a ReLU or a pool lost the NaN";
    EXPECT_EQ(executable->first_non_finite_layer(), "conv1");
  }
}

/// Runs `step` until warm, then counts the allocations of ten more.
template <class Step>
std::int64_t allocations_of(const Step& step) {
  for (int i = 0; i < 3; ++i) step();
  allocations = 0;
  largest_allocation_bytes = 0;
  for (int i = 0; i < 10; ++i) step();
  return allocations;
}

TEST(CpuAllocations, OwnKernelsAllocateNothing) {
  const StageCase stage = lenet_convolutions(32);
  Rank rank(1, stage.arena_elements);
  const auto executable = rank.compile(stage);
  const auto optimizer = rank.sgd();
  // With the version unchanged no weight is packed, which would be a oneDNN primitive.
  EXPECT_EQ(allocations_of([&] {
              rank.forward(*executable);
              rank.backward(*executable);
            }),
            0);
  EXPECT_EQ(allocations_of([&] { optimizer->run({0, 32, 0.01}, rank.stream()); }), 0);
}

TEST(CpuAllocations, AStepHasNoneButTheArgumentListsOfOnednn) {
  // oneDNN builds a small map of its arguments whenever a primitive runs and frees it at once; nothing of the
  // size of a tensor may be allocated in a step.
  constexpr std::size_t kArgumentListBytes = 1024;
  for (const auto model : {lenet, mnist_cnn}) {
    const StageCase stage = model(16);
    Rank rank(1, stage.arena_elements);
    const auto executable = rank.compile(stage);
    const auto optimizer = rank.sgd();
    allocations_of([&] {
      rank.forward(*executable);
      rank.backward(*executable);
      executable->run(Phase::backward_accumulate, rank.stream());
      optimizer->run({0, 16, 0.01}, rank.stream());
    });
    EXPECT_LT(largest_allocation_bytes, kArgumentListBytes) << stage.name;
  }
}

}  // namespace
}  // namespace dml::test
