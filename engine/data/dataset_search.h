// Where data sets lie on a user's disk. Part of the data room; callers outside use dataset.h.
#pragma once

#include <array>
#include <span>
#include <string>

namespace dml {

/// A data set of the MNIST family: four IDX files of 28 x 28 images and labels below 10.
struct KnownDataset {
  const char* name;                ///< as --dataset has it
  const char* torchvision_folder;  ///< the folder that torchvision puts under its root
  double mean, stddev;             ///< of pixel / 255 over the training images
  const char* train_labels_hash;   ///< xxh3 of the published training labels, to tell the sets apart
};

/// File names without ".gz", as torchvision and Debian have them.
struct DatasetFiles {
  std::string train_images, train_labels, test_images, test_labels;
};

std::span<const KnownDataset> known_datasets();

/// The entry of `name`, or nullptr.
const KnownDataset* find_known_dataset(const std::string& name);

/// The four files in `folder`, plain where there is a plain one, else with ".gz". Throws IoError when one is
/// missing.
DatasetFiles dataset_files(const std::string& folder);

/// The paragraph for a user whose data set is nowhere: every place, what is wrong there, and the ways to get
/// the data.
std::string explain_missing_dataset(const std::string& name, const std::string& directory);

}  // namespace dml
