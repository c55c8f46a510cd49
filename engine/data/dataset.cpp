#include "engine/data/dataset.h"

#include <algorithm>
#include <span>
#include <utility>

#include "engine/data/dataset_search.h"
#include "engine/data/idx.h"
#include "engine/data/synthetic.h"
#include "kernels/base/error.h"
#include "kernels/base/hash.h"

namespace dml {
namespace {

constexpr const char* kSynthetic = "synthetic";
constexpr std::int64_t kSide = 28;
constexpr std::int64_t kClasses = 10;

/// Reads and checks the image and the label file of one split against each other.
Dataset read_split(const KnownDataset& known, const std::string& folder, const std::string& images_path,
                   const std::string& labels_path) {
  IdxArray images = read_idx(images_path, 3);
  IdxArray labels = read_idx(labels_path, 1);
  if (images.shape[1] != kSide || images.shape[2] != kSide) {
    throw DataError(images_path + ": holds images of " + std::to_string(images.shape[1]) + " x " +
                    std::to_string(images.shape[2]) + " pixels where " + known.name +
                    " has 28 x 28; check that the right files lie here");
  }
  if (images.shape[0] != labels.shape[0]) {
    throw DataError(images_path + ": holds " + std::to_string(images.shape[0]) + " images, but " +
                    labels_path + " holds " + std::to_string(labels.shape[0]) +
                    " labels; the two files belong to different sets, download both again");
  }
  const auto wrong = std::find_if(labels.values.begin(), labels.values.end(),
                                  [](std::uint8_t label) { return label >= kClasses; });
  if (wrong != labels.values.end()) {
    throw DataError(labels_path + ": label " + std::to_string(wrong - labels.values.begin()) + " is " +
                    std::to_string(static_cast<int>(*wrong)) + ", out of range: " + known.name +
                    " has the classes 0 to 9; the file is damaged, download it again");
  }
  Dataset split;
  split.name = known.name;
  split.source = folder;
  split.samples = images.shape[0];
  split.C = 1;
  split.H = kSide;
  split.W = kSide;
  split.classes = kClasses;
  split.mean = known.mean;
  split.stddev = known.stddev;
  split.images = std::move(images.values);
  split.labels = std::move(labels.values);
  return split;
}

/// A folder named neutrally may hold the files of another set of the family; their labels tell.
void check_identity(const KnownDataset& wanted, const Dataset& train) {
  const std::string hash = xxh3(std::as_bytes(std::span(train.labels)));
  for (const KnownDataset& known : known_datasets()) {
    if (&known != &wanted && hash == known.train_labels_hash) {
      throw DataError(train.source + ": holds the training labels of " + known.name + " where " +
                      wanted.name + " was asked for; use --dataset " + known.name + " or another --data-dir");
    }
  }
}

DatasetSplits read_known_dataset(const KnownDataset& known, const std::string& directory) {
  const std::string folder = find_dataset(known.name, directory);
  if (folder.empty()) throw IoError(explain_missing_dataset(known.name, directory));
  const DatasetFiles files = dataset_files(folder);
  DatasetSplits splits;
  splits.train = read_split(known, folder, files.train_images, files.train_labels);
  check_identity(known, splits.train);
  splits.test = read_split(known, folder, files.test_images, files.test_labels);
  return splits;
}

void limit_samples(Dataset& split, std::int64_t limit, const std::string& flag,
                   const std::string& split_name) {
  if (limit == 0) return;
  if (limit < 0 || limit > split.samples) {
    throw UsageError(flag + " " + std::to_string(limit) + " cannot be kept: the " + split_name + " set of " +
                     split.name + " has " + std::to_string(split.samples) + " samples; ask for 1 to " +
                     std::to_string(split.samples) + ", or leave the flag out for all of them");
  }
  split.samples = limit;
  split.images.resize(static_cast<std::size_t>(limit * split.C * split.H * split.W));
  split.labels.resize(static_cast<std::size_t>(limit));
}

std::string joined_names() {
  std::string text;
  for (const std::string& name : dataset_names()) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<std::string> dataset_names() {
  std::vector<std::string> names;
  for (const KnownDataset& known : known_datasets()) names.emplace_back(known.name);
  names.emplace_back(kSynthetic);
  return names;
}

DatasetSplits load_dataset(const DatasetOptions& options) {
  const KnownDataset* known = find_known_dataset(options.name);
  if (known == nullptr && options.name != kSynthetic) {
    throw UsageError("--dataset " + options.name + " is not known; choose one of " + joined_names());
  }
  DatasetSplits splits =
      known != nullptr ? read_known_dataset(*known, options.directory) : make_synthetic_dataset();
  limit_samples(splits.train, options.limit_train, "--limit-train", "training");
  limit_samples(splits.test, options.limit_test, "--limit-test", "test");
  return splits;
}

}  // namespace dml
