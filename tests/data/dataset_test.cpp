#include "engine/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "tests/data/idx_files.h"
#include "tests/data/test_files.h"

namespace dml {
namespace {

using testing::Bytes;
using testing::expect_error;
using testing::idx_header;
using testing::idx_images;
using testing::idx_labels;
using testing::joined;
using testing::TempDirectory;
using testing::write_bytes;

constexpr std::uint32_t kTrain = 20;
constexpr std::uint32_t kTest = 7;

/// The four files with 20 and 7 samples. `suffix` is "" or ".gz".
void write_dataset(const std::string& folder, const std::string& suffix = "") {
  const auto write = [&](const std::string& name, const Bytes& content) {
    write_bytes(folder + "/" + name + suffix, suffix.empty() ? content : testing::gzip(content));
  };
  write("train-images-idx3-ubyte", idx_images(kTrain));
  write("train-labels-idx1-ubyte", idx_labels(kTrain));
  write("t10k-images-idx3-ubyte", idx_images(kTest));
  write("t10k-labels-idx1-ubyte", idx_labels(kTest));
}

DatasetSplits load(const std::string& name, const std::string& directory) {
  return load_dataset({name, directory});
}

/// Sets an environment variable for a scope; nullptr removes it.
class ScopedEnvironment {
 public:
  ScopedEnvironment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;
  ~ScopedEnvironment() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(Dataset, LoadsBothSplits) {
  const TempDirectory temp;
  write_dataset(temp.path(), ".gz");
  const DatasetSplits splits = load("fashion-mnist", temp.path());
  EXPECT_EQ(splits.train.name, "fashion-mnist");
  EXPECT_EQ(splits.train.source, temp.path());
  EXPECT_EQ(splits.train.samples, kTrain);
  EXPECT_EQ(splits.test.samples, kTest);
  for (const Dataset* split : {&splits.train, &splits.test}) {
    EXPECT_EQ(split->C, 1);
    EXPECT_EQ(split->H, 28);
    EXPECT_EQ(split->W, 28);
    EXPECT_EQ(split->classes, 10);
    EXPECT_DOUBLE_EQ(split->mean, 0.2860);
    EXPECT_DOUBLE_EQ(split->stddev, 0.3530);
    EXPECT_EQ(split->images.size(), static_cast<std::size_t>(split->samples) * 784);
    EXPECT_EQ(split->labels.size(), static_cast<std::size_t>(split->samples));
  }
  EXPECT_EQ(splits.train.images[252], 1);
  EXPECT_EQ(splits.train.labels[13], 3);
}

TEST(Dataset, MnistHasItsOwnNormalisation) {
  const TempDirectory temp;
  write_dataset(temp.path());
  EXPECT_DOUBLE_EQ(load("mnist", temp.path()).test.mean, 0.1307);
  EXPECT_DOUBLE_EQ(load("mnist", temp.path()).test.stddev, 0.3081);
}

TEST(Dataset, EveryLayoutUnderADataDirectoryIsFound) {
  const std::vector<std::pair<std::string, std::string>> layouts = {{"fashion-mnist", "FashionMNIST/raw"},
                                                                    {"fashion-mnist", "fashion-mnist"},
                                                                    {"mnist", "MNIST/raw"},
                                                                    {"mnist", "mnist"}};
  for (const auto& named_layout : layouts) {
    const std::string& name = named_layout.first;
    const std::string& layout = named_layout.second;
    const TempDirectory temp;
    EXPECT_EQ(find_dataset(name, temp.path()), "");
    write_dataset(temp.path(layout));
    EXPECT_EQ(find_dataset(name, temp.path()), temp.path(layout)) << name;
    EXPECT_EQ(find_dataset(name, temp.path(layout)), temp.path(layout)) << "named directly";
    const std::string other = name == "mnist" ? "fashion-mnist" : "mnist";
    EXPECT_EQ(find_dataset(other, temp.path()), "");
    EXPECT_EQ(find_dataset(other, temp.path(layout)), "") << other << " was taken from " << layout;
    expect_error<IoError>([&] { load(other, temp.path(layout)); }, {"is named for"});
  }
}

TEST(Dataset, AFolderNamedForTheOtherSetIsNamedInTheError) {
  const TempDirectory temp;
  write_dataset(temp.path("mnist"));
  expect_error<IoError>([&] { load("fashion-mnist", temp.path("mnist")); },
                        {"is named for mnist", "--dataset mnist", "FashionMNIST/raw"});
}

TEST(Dataset, TheInnermostNameCounts) {
  const TempDirectory temp;
  write_dataset(temp.path("fashion-mnist/mnist"));
  EXPECT_EQ(find_dataset("mnist", temp.path("fashion-mnist")), temp.path("fashion-mnist/mnist"));
  EXPECT_EQ(find_dataset("fashion-mnist", temp.path("fashion-mnist/mnist")), "");
}

TEST(Dataset, TheEnvironmentAndTheHomeDirectoryAreLookedThroughInOrder) {
  const TempDirectory temp;
  const ScopedEnvironment data("DML_DATA_DIR", temp.path("chosen").c_str());
  const ScopedEnvironment home("HOME", temp.path("home").c_str());
  write_dataset(temp.path("home/data/MNIST/raw"));
  EXPECT_EQ(find_dataset("mnist", ""), temp.path("home/data/MNIST/raw"));
  write_dataset(temp.path("home/.cache/dml_engine/mnist"));
  EXPECT_EQ(find_dataset("mnist", ""), temp.path("home/.cache/dml_engine/mnist"));
  write_dataset(temp.path("chosen"));
  EXPECT_EQ(find_dataset("mnist", ""), temp.path("chosen"));
  EXPECT_EQ(find_dataset("mnist", temp.path("elsewhere")), "")
      << "--data-dir is the only place when it is given";
}

TEST(Dataset, DebiansFolderServesFashionMnistAlone) {
  const auto has_debian = [](const std::string& name) {
    const std::vector<std::string> places = dataset_search_path(name, "");
    return std::find(places.begin(), places.end(), "/usr/share/datasets/fashion-mnist") != places.end();
  };
  EXPECT_TRUE(has_debian("fashion-mnist"));
  EXPECT_FALSE(has_debian("mnist"));
  EXPECT_TRUE(dataset_search_path("synthetic", "").empty());
}

TEST(Dataset, AMissingSetIsExplained) {
  const TempDirectory temp;
  expect_error<IoError>([&] { load("fashion-mnist", temp.path("d")); },
                        {"fashion-mnist", "d/FashionMNIST/raw", "d/fashion-mnist",
                         "apt-get install dataset-fashion-mnist", "--data-dir", "--dataset synthetic"});
  const std::string message = expect_error<IoError>([&] { load("mnist", temp.path("d")); }, {"d/MNIST/raw"});
  EXPECT_EQ(message.find("apt-get"), std::string::npos) << "no package holds MNIST";
}

TEST(Dataset, AnIncompleteFolderNamesWhatIsMissing) {
  const TempDirectory temp;
  write_dataset(temp.path());
  std::filesystem::remove(temp.path("t10k-labels-idx1-ubyte"));
  expect_error<IoError>([&] { load("mnist", temp.path()); }, {"lacks t10k-labels-idx1-ubyte[.gz]"});
}

TEST(Dataset, UnknownNames) {
  expect_error<UsageError>([] { load("imagenet", ""); }, {"imagenet", "fashion-mnist, mnist, synthetic"});
  EXPECT_EQ(dataset_names(), (std::vector<std::string>{"fashion-mnist", "mnist", "synthetic"}));
}

TEST(Dataset, LimitsKeepTheFirstSamplesInFileOrder) {
  const TempDirectory temp;
  write_dataset(temp.path());
  const DatasetSplits whole = load("mnist", temp.path());
  const DatasetSplits part = load_dataset({"mnist", temp.path(), 13, kTest});
  EXPECT_EQ(part.train.samples, 13);
  EXPECT_EQ(part.test.samples, kTest);
  EXPECT_EQ(part.train.images, Bytes(whole.train.images.begin(), whole.train.images.begin() + 13 * 784));
  EXPECT_EQ(part.train.labels, Bytes(whole.train.labels.begin(), whole.train.labels.begin() + 13));
}

TEST(Dataset, LimitsBeyondTheSet) {
  const TempDirectory temp;
  write_dataset(temp.path());
  expect_error<UsageError>(
      [&] {
        load_dataset({"mnist", temp.path(), 21, 0});
      },
      {"--limit-train 21", "20 samples"});
  expect_error<UsageError>(
      [&] {
        load_dataset({"mnist", temp.path(), 0, 8});
      },
      {"--limit-test 8", "7 samples"});
  expect_error<UsageError>([&] { load_dataset({"mnist", temp.path(), -1, 0}); }, {"--limit-train -1"});
}

TEST(Dataset, ALabelOutOfRange) {
  const TempDirectory temp;
  write_dataset(temp.path());
  Bytes labels = idx_labels(kTest);
  labels[8 + 4] = 10;
  write_bytes(temp.path("t10k-labels-idx1-ubyte"), labels);
  expect_error<DataError>([&] { load("mnist", temp.path()); },
                          {"t10k-labels-idx1-ubyte", "label 4 is 10", "classes 0 to 9"});
}

TEST(Dataset, CountsThatDiffer) {
  const TempDirectory temp;
  write_dataset(temp.path());
  write_bytes(temp.path("train-labels-idx1-ubyte"), idx_labels(kTrain + 1));
  expect_error<DataError>([&] { load("mnist", temp.path()); },
                          {"train-images-idx3-ubyte", "20 images", "train-labels-idx1-ubyte", "21 labels"});
}

TEST(Dataset, ImagesOfAnotherSize) {
  const TempDirectory temp;
  write_dataset(temp.path());
  write_bytes(temp.path("train-images-idx3-ubyte"), idx_images(kTrain, 32));
  expect_error<DataError>([&] { load("mnist", temp.path()); }, {"32 x 32", "28 x 28"});
}

TEST(Dataset, ADamagedFileIsNamed) {
  const TempDirectory temp;
  write_dataset(temp.path());
  write_bytes(temp.path("t10k-images-idx3-ubyte"),
              joined(idx_header({kTest, 28, 28}), Bytes(kTest * 784 - 1)));
  expect_error<DataError>([&] { load("mnist", temp.path()); }, {"t10k-images-idx3-ubyte", "too short"});
}

TEST(Dataset, SyntheticSaysWhatItIsAndIsTheSameEveryTime) {
  const DatasetSplits a = load("synthetic", "");
  EXPECT_EQ(a.train.samples, 10000);
  EXPECT_EQ(a.test.samples, 2000);
  EXPECT_NE(a.train.source.find("synthetic: NOT REAL DATA"), std::string::npos);
  const DatasetSplits b = load_dataset({"synthetic", "", 500, 100});
  EXPECT_EQ(b.train.images, Bytes(a.train.images.begin(), a.train.images.begin() + 500 * 784));
  EXPECT_DOUBLE_EQ(a.train.mean, b.train.mean) << "a limit must not move the normalisation";
}

TEST(Dataset, SyntheticNormalisationIsThatOfItsTrainingImages) {
  const Dataset train = load("synthetic", "").train;
  double sum = 0;
  for (const std::uint8_t pixel : train.images) sum += pixel / 255.0;
  const double mean = sum / static_cast<double>(train.images.size());
  double squares = 0;
  for (const std::uint8_t pixel : train.images) squares += (pixel / 255.0 - mean) * (pixel / 255.0 - mean);
  EXPECT_NEAR(train.mean, mean, 1e-9);
  EXPECT_NEAR(train.stddev, std::sqrt(squares / static_cast<double>(train.images.size())), 1e-9);
}

/// The share of test samples whose nearest class mean (over the training images) is their own.
double nearest_mean_accuracy(const DatasetSplits& splits) {
  std::vector<double> means(10 * 784);
  std::vector<double> counts(10);
  for (std::size_t n = 0; n < splits.train.labels.size(); ++n) {
    const std::size_t label = splits.train.labels[n];
    counts[label] += 1;
    for (std::size_t i = 0; i < 784; ++i) means[label * 784 + i] += splits.train.images[n * 784 + i];
  }
  for (std::size_t at = 0; at < means.size(); ++at) means[at] /= counts[at / 784];
  int correct = 0;
  for (std::size_t n = 0; n < splits.test.labels.size(); ++n) {
    std::size_t best = 0;
    double best_distance = INFINITY;
    for (std::size_t label = 0; label < 10; ++label) {
      double distance = 0;
      for (std::size_t i = 0; i < 784; ++i) {
        const double difference = splits.test.images[n * 784 + i] - means[label * 784 + i];
        distance += difference * difference;
      }
      if (distance < best_distance) best = label, best_distance = distance;
    }
    correct += best == splits.test.labels[n] ? 1 : 0;
  }
  return correct / static_cast<double>(splits.test.labels.size());
}

TEST(Dataset, SyntheticCanBeLearnedButIsNotTrivial) {
  const DatasetSplits splits = load_dataset({"synthetic", "", 0, 1000});
  std::vector<int> counts(10);
  for (const std::uint8_t label : splits.train.labels) ++counts.at(label);
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);  // 5 standard deviations of a fair draw
  const double accuracy = nearest_mean_accuracy(splits);
  EXPECT_GT(accuracy, 0.6);
  EXPECT_LT(accuracy, 0.95);
}

TEST(Dataset, RealFashionMnist) {
  const std::string folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << folder << " is absent (package dataset-fashion-mnist)";
  const DatasetSplits splits = load("fashion-mnist", folder);
  EXPECT_EQ(splits.train.samples, 60000);
  EXPECT_EQ(splits.test.samples, 10000);
  double sum = 0;
  for (const std::uint8_t pixel : splits.train.images) sum += pixel;
  EXPECT_NEAR(sum / 255 / static_cast<double>(splits.train.images.size()), splits.train.mean, 5e-5);
  const TempDirectory temp;
  std::filesystem::create_directory_symlink(folder, temp.path("data"));
  expect_error<DataError>(
      [&] { load("mnist", temp.path("data")); },
      {"training labels of fashion-mnist where mnist was asked for", "--dataset fashion-mnist"});
}

TEST(Dataset, RealMnist) {
  const std::string folder = std::string(DML_SOURCE_DIR) + "/../shared/data/mnist";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << folder << " is absent (a MNIST folder beside the project)";
  const DatasetSplits splits = load("mnist", folder);
  EXPECT_EQ(splits.train.samples, 60000);
  EXPECT_EQ(splits.test.samples, 10000);
  EXPECT_EQ(Bytes(splits.train.labels.begin(), splits.train.labels.begin() + 5), (Bytes{5, 0, 4, 1, 9}));
  double sum = 0;
  for (const std::uint8_t pixel : splits.train.images) sum += pixel;
  EXPECT_NEAR(sum / 255 / static_cast<double>(splits.train.images.size()), splits.train.mean, 5e-5);
}

}  // namespace
}  // namespace dml
