#include "engine/run/checkpoint.h"

#include <bit>
#include <functional>
#include <limits>
#include <utility>

#include "engine/run/atomic_file.h"
#include "engine/run/checkpoint_directory.h"
#include "engine/run/safetensors.h"
#include "kernels/base/hash.h"
#include "tests/data/test_files.h"

namespace dml {
namespace {

using testing::Bytes;
using testing::expect_error;
using testing::TempDirectory;

/// A run of two parameters with the memory its checkpoint shows.
template <class T>
struct SmallRun {
  std::vector<T> weight = {static_cast<T>(0.1), 2, 3, 4, 5, static_cast<T>(-1e-20)};
  std::vector<T> bias = {7};
  std::vector<T> weight_momentum = {static_cast<T>(1.0 / 3.0), 0, 0, 0, 0, 1};
  std::vector<T> bias_momentum = {-7};

  Checkpoint checkpoint() {
    Checkpoint result;
    result.weights = tensors(weight, bias);
    result.optimizer = {{"momentum", tensors(weight_momentum, bias_momentum)}};
    result.step = 1234;
    result.epoch = 3;
    result.cursor = 640;
    result.epoch_loss_sum = 0.1 + 0.2;
    result.epoch_samples = 640;
    result.configuration = R"({"batch":32,"model":"lenet"})";
    return result;
  }
  static std::vector<NamedTensor> tensors(std::vector<T>& w, std::vector<T>& b) {
    return {{"fc.weight", {2, 3}, view_of(std::span<T>(w))}, {"fc.bias", {1}, view_of(std::span<T>(b))}};
  }
};

template <class T>
void expect_round_trip() {
  const TempDirectory temp;
  SmallRun<T> run;
  save_checkpoint(temp.path("c"), run.checkpoint());
  const Checkpoint loaded = load_checkpoint(temp.path("c"));
  EXPECT_EQ(loaded.step, 1234);
  EXPECT_EQ(loaded.epoch, 3);
  EXPECT_EQ(loaded.cursor, 640);
  EXPECT_EQ(loaded.epoch_loss_sum, 0.1 + 0.2) << "bit for bit";
  EXPECT_EQ(loaded.epoch_samples, 640);
  EXPECT_EQ(loaded.configuration, run.checkpoint().configuration);

  SmallRun<T> other;
  for (std::vector<T>* values : {&other.weight, &other.bias, &other.weight_momentum, &other.bias_momentum}) {
    std::fill(values->begin(), values->end(), T{});
  }
  restore_tensors(loaded, other.checkpoint(), "c");
  EXPECT_EQ(other.weight, run.weight);
  EXPECT_EQ(other.bias, run.bias);
  EXPECT_EQ(other.weight_momentum, run.weight_momentum);
  EXPECT_EQ(other.bias_momentum, run.bias_momentum);
}

TEST(Checkpoint, RoundTripInFp32) {
  expect_round_trip<float>();
}
TEST(Checkpoint, RoundTripInFp64) {
  expect_round_trip<double>();
}

TEST(Checkpoint, LossSumsKeepEveryBit) {
  const TempDirectory temp;
  SmallRun<float> run;
  for (const double sum : {0.0, -0.0, std::numeric_limits<double>::denorm_min(), 1e308, 123456.789}) {
    Checkpoint checkpoint = run.checkpoint();
    checkpoint.epoch_loss_sum = sum;
    save_checkpoint(temp.path("c"), checkpoint);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(load_checkpoint(temp.path("c")).epoch_loss_sum),
              std::bit_cast<std::uint64_t>(sum));
  }
}

TEST(Checkpoint, WithoutOptimizerStateOrWithTwoSlots) {
  const TempDirectory temp;
  SmallRun<float> run;
  Checkpoint checkpoint = run.checkpoint();
  checkpoint.optimizer.clear();
  save_checkpoint(temp.path("c"), checkpoint);
  EXPECT_TRUE(load_checkpoint(temp.path("c")).optimizer.empty());
  checkpoint = run.checkpoint();
  checkpoint.optimizer = {{"second_moment", checkpoint.weights},
                          {"first_moment", checkpoint.optimizer[0].tensors}};
  save_checkpoint(temp.path("c"), checkpoint);
  const Checkpoint loaded = load_checkpoint(temp.path("c"));
  ASSERT_EQ(loaded.optimizer.size(), 2U);
  EXPECT_EQ(loaded.optimizer[0].name, "second_moment");
  EXPECT_EQ(loaded.optimizer[1].tensors[1].values.as<float>()[0], -7);
}

TEST(Checkpoint, ItIsASafetensorsFileWithTheDocumentedNames) {
  const TempDirectory temp;
  SmallRun<float> run;
  save_checkpoint(temp.path("c"), run.checkpoint());
  const SafetensorsFile file = read_safetensors(temp.path("c"));
  EXPECT_NE(file.find("weights/fc.weight"), nullptr);
  EXPECT_NE(file.find("optimizer/momentum/fc.bias"), nullptr);
  EXPECT_EQ(file.metadata.at("step"), "1234");
  EXPECT_EQ(file.metadata.at("epoch_loss_sum_bits"), "3fd3333333333334");
  EXPECT_EQ(file.metadata.at("configuration_hash"), xxh3(run.checkpoint().configuration));
}

TEST(Checkpoint, RestoreRefusesAnotherModelOrOptimizer) {
  const TempDirectory temp;
  SmallRun<float> run;
  save_checkpoint(temp.path("c"), run.checkpoint());
  const Checkpoint loaded = load_checkpoint(temp.path("c"));
  SmallRun<float> target;
  target.weight.assign(6, 0);
  Checkpoint into = target.checkpoint();
  into.optimizer[0].name = "first_moment";
  expect_error<DataError>(
      [&] { restore_tensors(loaded, into, "c"); },
      {"c: ", "optimizer/first_moment/fc.weight", "missing", "another model or optimizer"});
  into = target.checkpoint();
  into.weights[0].shape = {3, 2};
  expect_error<DataError>([&] { restore_tensors(loaded, into, "c"); },
                          {"weights/fc.weight", "[2, 3] where [3, 2]"});
  into = target.checkpoint();
  into.optimizer.clear();
  expect_error<DataError>([&] { restore_tensors(loaded, into, "c"); },
                          {"optimizer/momentum/fc.bias", "no place"});
  SmallRun<double> wide;
  expect_error<DataError>([&] { restore_tensors(loaded, wide.checkpoint(), "c"); }, {"f32 where f64"});
  EXPECT_EQ(target.weight, std::vector<float>(6)) << "nothing is copied unless everything fits";
}

TEST(Checkpoint, ForeignFiles) {
  const TempDirectory temp;
  SmallRun<float> run;
  write_safetensors(temp.path("weights"), run.checkpoint().weights, {{"format", "pt"}});
  expect_error<DataError>([&] { load_checkpoint(temp.path("weights")); },
                          {"not a checkpoint", "--init-from"});
  testing::write_bytes(temp.path("text"), Bytes(100, 'x'));
  expect_error<DataError>([&] { load_checkpoint(temp.path("text")); }, {"no safetensors file"});
  expect_error<IoError>([&] { load_checkpoint(temp.path("absent")); }, {"absent"});
}

/// Saves a checkpoint, changes what the file says with `change`, and loads it.
void expect_refused(const std::function<void(SafetensorsMetadata&, std::vector<NamedTensor>&)>& change,
                    std::initializer_list<const char*> parts) {
  const TempDirectory temp;
  SmallRun<float> run;
  save_checkpoint(temp.path("c"), run.checkpoint());
  SafetensorsFile file = read_safetensors(temp.path("c"));
  change(file.metadata, file.tensors);
  write_safetensors(temp.path("c"), file.tensors, file.metadata);
  expect_error<DataError>([&] { load_checkpoint(temp.path("c")); }, parts);
}

TEST(Checkpoint, DamagedNumbers) {
  for (const char* key : {"step", "epoch", "cursor", "epoch_samples"}) {
    for (const char* value : {"", "-1", "1x", "0x10", " 1", "1.0", "9223372036854775808"}) {
      expect_refused([&](auto& metadata, auto&) { metadata[key] = value; },
                     {"damaged metadata", key, "whole number"});
    }
  }
  for (const char* value : {"", "0", "3fd333333333333", "3fd33333333333344", "3fd333333333333g",
                            "7ff0000000000000", "7ff8000000000000", "-fd3333333333334"}) {
    expect_refused([&](auto& metadata, auto&) { metadata["epoch_loss_sum_bits"] = value; },
                   {"epoch_loss_sum_bits", "16 hex digits of a finite double"});
  }
}

TEST(Checkpoint, MissingMetadata) {
  for (const char* key : {"format_version", "step", "epoch", "cursor", "epoch_loss_sum_bits", "epoch_samples",
                          "configuration", "configuration_hash", "optimizer_slots", "content_hash"}) {
    expect_refused([&](auto& metadata, auto&) { metadata.erase(key); }, {"lacks the metadata", key});
  }
}

TEST(Checkpoint, AnotherFormatVersion) {
  expect_refused([](auto& metadata, auto&) { metadata["format_version"] = "2"; },
                 {"version \"2\"", "reads 1"});
}

TEST(Checkpoint, AConfigurationThatIsNotTheHashedOne) {
  expect_refused([](auto& metadata, auto&) { metadata["configuration"] = R"({"batch":64,"model":"lenet"})"; },
                 {"configuration", "not the one that was saved", "xxh3:"});
}

TEST(Checkpoint, TensorsThatDoNotBelongTogether) {
  expect_refused([](auto&, auto& tensors) { tensors.erase(tensors.begin()); },
                 {"\"momentum\"", "missing or unlike"});
  expect_refused([](auto&, auto& tensors) { tensors.pop_back(); }, {"\"momentum\"", "missing or unlike"});
  expect_refused([](auto&, auto& tensors) { tensors.back().name = "optimizer/other/fc.bias"; },
                 {"belongs to no part"});
  expect_refused([](auto&, auto& tensors) { tensors.back().name = "fc.bias"; },
                 {"\"fc.bias\"", "belongs to no part"});
  expect_refused([](auto&, auto& tensors) { tensors.back().shape = {1, 1}; }, {"unlike"});
  expect_refused(
      [](auto& metadata, auto& tensors) {
        metadata["optimizer_slots"] = "";
        tensors.clear();
      },
      {"holds no weights"});
  expect_refused(
      [](auto&, auto& tensors) {
        tensors[0].values = {tensors[0].values.data, 6, DType::i32};
      },
      {"f32 or all f64"});
}

TEST(Checkpoint, OneChangedBitInTheValuesIsFound) {
  expect_refused([](auto&, auto& tensors) { tensors[3].values.template as<float>()[0] = 7; },
                 {"is damaged", "hash of its content"});
  expect_refused([](auto& metadata, auto&) { metadata["step"] = "1235"; }, {"hash of its content"});
  expect_refused([](auto&, auto& tensors) { std::swap(tensors[0].values, tensors[2].values); },
                 {"hash of its content"});
}

TEST(Checkpoint, EveryTruncationIsFound) {
  const TempDirectory temp;
  SmallRun<float> run;
  save_checkpoint(temp.path("c"), run.checkpoint());
  const Bytes whole = testing::read_bytes(temp.path("c"));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const std::span part(whole.data(), length);
    EXPECT_THROW(parse_checkpoint(part, "c"), DataError) << length;
  }
}

TEST(Checkpoint, SavingOneThatCouldNotBeLoadedIsABrokenInvariant) {
  const TempDirectory temp;
  SmallRun<float> run;
  const auto expect_assertion = [&](const std::function<void(Checkpoint&)>& change) {
    Checkpoint checkpoint = run.checkpoint();
    change(checkpoint);
    EXPECT_THROW(save_checkpoint(temp.path("c"), checkpoint), InternalError);
  };
  expect_assertion([](Checkpoint& c) { c.epoch_loss_sum = std::numeric_limits<double>::quiet_NaN(); });
  expect_assertion([](Checkpoint& c) { c.step = -1; });
  expect_assertion([](Checkpoint& c) { c.weights.clear(); });
  expect_assertion([](Checkpoint& c) { c.optimizer[0].tensors.pop_back(); });
  expect_assertion([](Checkpoint& c) { c.optimizer[0].name = "a/b"; });
  EXPECT_TRUE(temp.names().empty());
}

std::string step_path(const TempDirectory& temp, const std::string& digits) {
  return temp.path("run/checkpoints/step-" + digits + ".safetensors");
}

std::string write_step(const TempDirectory& temp, std::int64_t step, int keep = kCheckpointsKept) {
  SmallRun<float> run;
  Checkpoint checkpoint = run.checkpoint();
  checkpoint.step = step;
  return write_checkpoint(temp.path("run"), checkpoint, keep);
}

TEST(CheckpointDirectory, KeepsTheNewestFew) {
  const TempDirectory temp;
  EXPECT_TRUE(list_checkpoints(temp.path("run")).empty());
  EXPECT_EQ(write_step(temp, 5), step_path(temp, "00000005"));
  write_step(temp, 100);
  write_step(temp, 20);  // somebody went back: step 100 is not part of this history
  EXPECT_EQ(
      list_checkpoints(temp.path("run")),
      (std::vector{step_path(temp, "00000100"), step_path(temp, "00000020"), step_path(temp, "00000005")}));
  write_step(temp, 1234567890);
  EXPECT_EQ(list_checkpoints(temp.path("run")),
            (std::vector{step_path(temp, "1234567890"), step_path(temp, "00000100")}));
  write_step(temp, 1234567891, 1);
  EXPECT_EQ(list_checkpoints(temp.path("run")), std::vector{step_path(temp, "1234567891")});
}

TEST(CheckpointDirectory, OtherFilesAreLeftAloneAndLeftoversRemoved) {
  const TempDirectory temp;
  const std::string folder = temp.path("run/checkpoints/");
  const std::vector<std::string> foreign = {"notes.tmp-1", "step-1.safetensors",
                                            "step-00000001.safetensors.bak", "step--0000001.safetensors",
                                            "step-0000000x.safetensors"};
  for (const std::string& name : foreign) testing::write_bytes(folder + name, Bytes(1));
  const std::string leftover = folder + "step-00000001.safetensors" + kTemporaryInfix + "999-0";
  testing::write_bytes(leftover, Bytes(1));
  write_step(temp, 2, 1);
  EXPECT_EQ(list_checkpoints(temp.path("run")), std::vector{step_path(temp, "00000002")});
  for (const std::string& name : foreign) EXPECT_TRUE(std::filesystem::exists(folder + name)) << name;
  EXPECT_FALSE(std::filesystem::exists(leftover));
}

TEST(CheckpointDirectory, TheNewestWholeOneIsLoaded) {
  const TempDirectory temp;
  write_step(temp, 10);
  write_step(temp, 20);
  LatestCheckpoint latest = load_latest_checkpoint(temp.path("run"));
  EXPECT_EQ(latest.checkpoint.step, 20);
  EXPECT_TRUE(latest.rejected.empty());

  Bytes bytes = testing::read_bytes(latest.path);
  bytes.back() ^= 1U;
  testing::write_bytes(latest.path, bytes);
  latest = load_latest_checkpoint(temp.path("run"));
  EXPECT_EQ(latest.path, step_path(temp, "00000010"));
  EXPECT_EQ(latest.checkpoint.step, 10);
  ASSERT_EQ(latest.rejected.size(), 1U);
  EXPECT_NE(latest.rejected[0].find("step-00000020"), std::string::npos);

  testing::write_bytes(latest.path, {});
  expect_error<DataError>([&] { load_latest_checkpoint(temp.path("run")); },
                          {"none of its 2 checkpoints", "step-00000020", "damaged"});
}

TEST(CheckpointDirectory, NoCheckpointAtAll) {
  const TempDirectory temp;
  expect_error<IoError>([&] { load_latest_checkpoint(temp.path("run")); },
                        {"run", "no checkpoint", "--resume"});
}

TEST(CheckpointDirectory, AFolderThatCannotBeMade) {
  const TempDirectory temp;
  testing::write_bytes(temp.path("run"), Bytes(1));
  expect_error<IoError>([&] { write_step(temp, 1); }, {"run/checkpoints", "cannot be made", "--run-dir"});
}

}  // namespace
}  // namespace dml
