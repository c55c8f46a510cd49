#include "engine/data/dataset_search.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "engine/data/dataset.h"
#include "kernels/base/error.h"

namespace dml {
namespace {

namespace fs = std::filesystem;

constexpr std::array<KnownDataset, 2> kKnownDatasets = {{
    {"fashion-mnist", "FashionMNIST", 0.2860, 0.3530, "xxh3:46e784b61aa2b893"},
    {"mnist", "MNIST", 0.1307, 0.3081, "xxh3:37f227c8f4eaefa6"},
}};

constexpr std::array<const char*, 4> kFileStems = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                                   "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

constexpr const char* kNoSuchFolder = "no such folder";
constexpr const char* kDebianFolder = "/usr/share/datasets/fashion-mnist";

/// The file of that stem, plain or .gz, or nothing. A folder that may not be searched counts as holding
/// nothing.
std::optional<fs::path> find_file(const fs::path& folder, const std::string& stem) {
  for (const char* suffix : {"", ".gz"}) {
    fs::path path = folder / (stem + suffix);
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) return path;
  }
  return std::nullopt;
}

/// "Fashion-MNIST" and "fashion_mnist" are one name: "fashionmnist".
std::string simplified(const std::string& name) {
  std::string result;
  for (const char c : name) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) != 0) result += static_cast<char>(std::tolower(letter));
  }
  return result;
}

/// The data set that a path is named for: the last folder in it that bears the name of one. Empty when none
/// does.
std::string named_for(const fs::path& folder) {
  std::string result;
  std::error_code ignored;
  for (const fs::path& part : fs::absolute(folder, ignored).lexically_normal()) {
    for (const KnownDataset& known : kKnownDatasets) {
      if (simplified(part.string()) == simplified(known.name)) result = known.name;
    }
  }
  return result;
}

/// Why `folder` cannot serve as `name`, in a few words; empty when it can.
std::string reason_against(const fs::path& folder, const std::string& name) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return error && error != std::errc::no_such_file_or_directory ? error.message() : kNoSuchFolder;
  }
  std::vector<std::string> missing;
  for (const char* stem : kFileStems) {
    if (!find_file(folder, stem)) missing.emplace_back(stem);
  }
  if (missing.size() == kFileStems.size()) return "none of the four files";
  if (!missing.empty()) {
    std::string text = "lacks ";
    for (const std::string& stem : missing) text += (stem == missing.front() ? "" : ", ") + stem + "[.gz]";
    return text;
  }
  const std::string owner = named_for(folder);
  if (!owner.empty() && owner != name) return "is named for " + owner + ", so use --dataset " + owner;
  return "";
}

/// The folders under which the layouts of `name` are looked for, best first.
std::vector<fs::path> search_roots(const std::string& directory) {
  if (!directory.empty()) return {directory};
  std::vector<fs::path> roots;
  if (const char* chosen = std::getenv("DML_DATA_DIR"); chosen != nullptr && *chosen != '\0')
    roots.emplace_back(chosen);
  roots.emplace_back("./data");
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    roots.push_back(fs::path(home) / ".cache" / "dml_engine");
    roots.push_back(fs::path(home) / "data");
  }
  return roots;
}

}  // namespace

std::span<const KnownDataset> known_datasets() {
  return kKnownDatasets;
}

const KnownDataset* find_known_dataset(const std::string& name) {
  const auto* const found = std::find_if(kKnownDatasets.begin(), kKnownDatasets.end(),
                                         [&](const KnownDataset& known) { return name == known.name; });
  return found == kKnownDatasets.end() ? nullptr : found;
}

std::vector<std::string> dataset_search_path(const std::string& name, const std::string& directory) {
  const KnownDataset* known = find_known_dataset(name);
  if (known == nullptr) return {};
  std::vector<std::string> places;
  for (const fs::path& root : search_roots(directory)) {
    places.push_back(root.string());
    places.push_back((root / known->torchvision_folder / "raw").string());
    places.push_back((root / known->name).string());
  }
  if (directory.empty() && name == "fashion-mnist") places.emplace_back(kDebianFolder);
  return places;
}

std::string find_dataset(const std::string& name, const std::string& directory) {
  for (const std::string& place : dataset_search_path(name, directory)) {
    if (reason_against(place, name).empty()) return place;
  }
  return "";
}

DatasetFiles dataset_files(const std::string& folder) {
  const auto path = [&](const char* stem) {
    const std::optional<fs::path> found = find_file(folder, stem);
    if (!found)
      throw IoError(folder + ": the file " + stem + "[.gz] has gone; another program may have moved it");
    return found->string();
  };
  return {path(kFileStems[0]), path(kFileStems[1]), path(kFileStems[2]), path(kFileStems[3])};
}

std::string explain_missing_dataset(const std::string& name, const std::string& directory) {
  std::string message = "the data set " + name + " was not found. Looked in: ";
  const char* separator = "";
  for (const std::string& place : dataset_search_path(name, directory)) {
    const std::string reason = reason_against(place, name);
    message += separator + place + (reason == kNoSuchFolder ? "" : " (" + reason + ")");
    separator = ", ";
  }
  message += ". Ways to get it: ";
  if (name == "fashion-mnist") message += "`apt-get install dataset-fashion-mnist`; ";
  return message + "--data-dir D (or DML_DATA_DIR=D) where D or D/" +
         std::string(find_known_dataset(name)->torchvision_folder) + "/raw holds " + kFileStems[0] +
         "[.gz], " + kFileStems[1] + "[.gz], " + kFileStems[2] + "[.gz] and " + kFileStems[3] +
         "[.gz]; or --dataset synthetic, which needs no files but is not real data.";
}

}  // namespace dml
