// A data set in memory: u8 images and labels, with the numbers that normalise them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dml {

/// One split of a data set. images is (samples, C, H, W) row-major u8; labels is (samples), each < classes.
struct Dataset {
  std::string name;    ///< "fashion-mnist"
  std::string source;  ///< where it was read from, or "synthetic: ..." when nothing was
  std::int64_t samples = 0, C = 0, H = 0, W = 0, classes = 0;
  double mean = 0, stddev = 1;  ///< of pixel / 255 over the training split
  std::vector<std::uint8_t> images;
  std::vector<std::uint8_t> labels;
};

struct DatasetSplits {
  Dataset train, test;
};

struct DatasetOptions {
  std::string name = "fashion-mnist";  ///< fashion-mnist, mnist or synthetic
  std::string directory;               ///< empty: the usual places, listed by dataset_search_path()
  std::int64_t limit_train = 0;        ///< first N samples in file order; 0: all
  std::int64_t limit_test = 0;
};

/// The names --dataset accepts.
std::vector<std::string> dataset_names();

/// The folders that are looked through for `name`, best first, as messages and `doctor` show them.
std::vector<std::string> dataset_search_path(const std::string& name, const std::string& directory);

/// The folder that holds all four files of `name`, or empty when there is none.
std::string find_dataset(const std::string& name, const std::string& directory);

/// Reads both splits. Throws UsageError for an unknown name, DataError naming file and rule for damaged
/// content, IoError when the files are not there (listing every place that was looked at and how to get the
/// data).
DatasetSplits load_dataset(const DatasetOptions& options);

}  // namespace dml
