#include "engine/run/checkpoint.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "engine/run/safetensors.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/hash.h"

namespace dml {
namespace {

constexpr const char* kFormat = "dml_engine checkpoint";
constexpr const char* kFormatVersion = "1";
constexpr const char* kWeightsPrefix = "weights/";
constexpr const char* kOptimizerPrefix = "optimizer/";

// The metadata keys.
constexpr const char* kFormatKey = "format";
constexpr const char* kFormatVersionKey = "format_version";
constexpr const char* kSlotsKey = "optimizer_slots";  // comma-separated, in order
constexpr const char* kStepKey = "step";
constexpr const char* kEpochKey = "epoch";
constexpr const char* kCursorKey = "cursor";
constexpr const char* kEpochLossSumKey = "epoch_loss_sum_bits";
constexpr const char* kEpochSamplesKey = "epoch_samples";
constexpr const char* kLedgerHashKey = "ledger_hash";  // may be absent
constexpr const char* kConfigurationKey = "configuration";
constexpr const char* kConfigurationHashKey = "configuration_hash";
constexpr const char* kContentHashKey = "content_hash";

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw DataError(file + ": " + what + "; resume from another checkpoint, or start again without --resume");
}

std::string hex_of(std::uint64_t bits) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(bits));
  return text;
}

/// A hash over every metadata text but itself and every tensor, each by order of name. Texts are preceded by
/// their length, so that no two contents read the same.
std::string content_hash(std::span<const NamedTensor> tensors, const SafetensorsMetadata& metadata) {
  std::string content;
  const auto add = [&](const std::string& text) { content += std::to_string(text.size()) + ":" + text; };
  for (const auto& [key, value] : metadata) {
    if (key == kContentHashKey) continue;
    add(key);
    add(value);
  }
  std::map<std::string, const NamedTensor*> by_name;
  for (const NamedTensor& tensor : tensors) by_name[tensor.name] = &tensor;
  for (const auto& [name, tensor] : by_name) {
    const View& values = tensor->values;
    add(name);
    add(to_string(values.dtype) + shape_text(tensor->shape));
    add(xxh3(std::span(static_cast<const std::byte*>(values.data), values.bytes())));
  }
  return xxh3(content);
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

const std::string& metadata_text(const SafetensorsMetadata& metadata, const char* key,
                                 const std::string& file) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) fail(file, std::string("lacks the metadata ") + key);
  return found->second;
}

/// A whole number from 0, all of the text.
std::int64_t metadata_count(const SafetensorsMetadata& metadata, const char* key, const std::string& file) {
  const std::string& text = metadata_text(metadata, key, file);
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
    fail(file, std::string("has damaged metadata: ") + key + " is not a whole number of 0 to 2^63 - 1");
  }
  return value;
}

/// The 16 hex digits of 64 bits; `what` says what they should be.
std::uint64_t metadata_bits(const SafetensorsMetadata& metadata, const char* key, const char* what,
                            const std::string& file) {
  const std::string& text = metadata_text(metadata, key, file);
  std::uint64_t bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
  if (error != std::errc{} || end != text.data() + text.size() || text.size() != 16) {
    fail(file, std::string("has damaged metadata: ") + key + " is not the 16 hex digits of " + what);
  }
  return bits;
}

double metadata_double(const SafetensorsMetadata& metadata, const char* key, const std::string& file) {
  constexpr const char* kWhat = "a finite double";
  const auto value = std::bit_cast<double>(metadata_bits(metadata, key, kWhat, file));
  if (!std::isfinite(value)) {
    fail(file, std::string("has damaged metadata: ") + key + " is not the 16 hex digits of " + kWhat);
  }
  return value;
}

void check_format(const SafetensorsMetadata& metadata, const std::string& file) {
  const auto format = metadata.find(kFormatKey);
  if (format == metadata.end() || format->second != kFormat) {
    throw DataError(
        file + ": is a safetensors file, but not a checkpoint of this program; to start from the weights " +
        "alone, use --init-from with it");
  }
  const std::string& version = metadata_text(metadata, kFormatVersionKey, file);
  if (version != kFormatVersion) {
    fail(file, "has the checkpoint format version " + quoted_name(version) + " where this program reads " +
                   kFormatVersion);
  }
}

/// Sorts the file's tensors by their prefix into weights and the slots that the metadata name.
void sort_tensors(std::span<const NamedTensor> tensors, Checkpoint& checkpoint, const std::string& file) {
  for (const NamedTensor& tensor : tensors) {
    NamedTensor stripped = tensor;
    if (tensor.name.starts_with(kWeightsPrefix)) {
      stripped.name = tensor.name.substr(std::string(kWeightsPrefix).size());
      checkpoint.weights.push_back(std::move(stripped));
      continue;
    }
    const auto slot = std::find_if(
        checkpoint.optimizer.begin(), checkpoint.optimizer.end(),
        [&](const auto& known) { return tensor.name.starts_with(kOptimizerPrefix + known.name + "/"); });
    if (slot == checkpoint.optimizer.end()) {
      fail(file,
           "holds the tensor " + quoted_name(tensor.name) + ", which belongs to no part of a checkpoint");
    }
    stripped.name = tensor.name.substr((kOptimizerPrefix + slot->name + "/").size());
    slot->tensors.push_back(std::move(stripped));
  }
}

/// What is wrong with the tensors of a checkpoint, empty when nothing is: weights have one floating type, and
/// every slot holds the same tensors as the weights, in the same order.
std::string fault_of_tensors(const Checkpoint& checkpoint) {
  if (checkpoint.weights.empty()) return "holds no weights";
  const DType dtype = checkpoint.weights.front().values.dtype;
  for (const NamedTensor& weight : checkpoint.weights) {
    if (weight.values.dtype != dtype || (dtype != DType::f32 && dtype != DType::f64)) {
      return "holds weights of " + to_string(weight.values.dtype) + " (" + quoted_name(weight.name) +
             ") where all have to be f32 or all f64";
    }
  }
  for (const OptimizerSlot& slot : checkpoint.optimizer) {
    const bool same =
        std::equal(slot.tensors.begin(), slot.tensors.end(), checkpoint.weights.begin(),
                   checkpoint.weights.end(), [](const NamedTensor& state, const NamedTensor& weight) {
                     return state.name == weight.name && state.shape == weight.shape &&
                            state.values.dtype == weight.values.dtype;
                   });
    if (!same) {
      return "holds the optimizer state " + quoted_name(slot.name) +
             " with tensors missing or unlike the weights'";
    }
  }
  return "";
}

/// All tensors under the names they have in the file, in its order.
std::vector<NamedTensor> tensors_of(const Checkpoint& checkpoint) {
  std::vector<NamedTensor> tensors;
  const auto add = [&](const std::string& prefix, std::span<const NamedTensor> group) {
    for (const NamedTensor& tensor : group)
      tensors.push_back({prefix + tensor.name, tensor.shape, tensor.values});
  };
  add(kWeightsPrefix, checkpoint.weights);
  for (const OptimizerSlot& slot : checkpoint.optimizer)
    add(kOptimizerPrefix + slot.name + "/", slot.tensors);
  return tensors;
}

}  // namespace

std::string Checkpoint::configuration_hash() const {
  return xxh3(configuration);
}

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  DML_ASSERT(std::isfinite(checkpoint.epoch_loss_sum), "a checkpoint of a run whose loss is not finite");
  DML_ASSERT(checkpoint.step >= 0 && checkpoint.epoch >= 0 && checkpoint.cursor >= 0 &&
                 checkpoint.epoch_samples >= 0,
             "a checkpoint with a negative count");
  const std::string fault = fault_of_tensors(checkpoint);
  DML_ASSERT(fault.empty(), "a checkpoint that " + fault);
  std::string slots;
  for (const OptimizerSlot& slot : checkpoint.optimizer) {
    DML_ASSERT(!slot.name.empty() && slot.name.find_first_of("/,") == std::string::npos,
               "the optimizer slot name " + quoted_name(slot.name) + " cannot be part of a tensor name");
    slots += (slots.empty() ? "" : ",") + slot.name;
  }
  const std::vector<NamedTensor> tensors = tensors_of(checkpoint);
  SafetensorsMetadata metadata = {
      {kFormatKey, kFormat},
      {kFormatVersionKey, kFormatVersion},
      {kSlotsKey, slots},
      {kStepKey, std::to_string(checkpoint.step)},
      {kEpochKey, std::to_string(checkpoint.epoch)},
      {kCursorKey, std::to_string(checkpoint.cursor)},
      {kEpochLossSumKey, hex_of(std::bit_cast<std::uint64_t>(checkpoint.epoch_loss_sum))},
      {kEpochSamplesKey, std::to_string(checkpoint.epoch_samples)},
      {kConfigurationKey, checkpoint.configuration},
      {kConfigurationHashKey, checkpoint.configuration_hash()}};
  if (checkpoint.ledger_hash) metadata[kLedgerHashKey] = hex_of(*checkpoint.ledger_hash);
  metadata[kContentHashKey] = content_hash(tensors, metadata);
  write_safetensors(path, tensors, metadata);
}

Checkpoint parse_checkpoint(std::span<const std::uint8_t> bytes, const std::string& file) {
  const auto storage = std::make_shared<const SafetensorsFile>(parse_safetensors(bytes, file));
  const SafetensorsMetadata& metadata = storage->metadata;
  check_format(metadata, file);

  Checkpoint checkpoint;
  checkpoint.storage = storage;
  checkpoint.step = metadata_count(metadata, kStepKey, file);
  checkpoint.epoch = metadata_count(metadata, kEpochKey, file);
  checkpoint.cursor = metadata_count(metadata, kCursorKey, file);
  checkpoint.epoch_loss_sum = metadata_double(metadata, kEpochLossSumKey, file);
  checkpoint.epoch_samples = metadata_count(metadata, kEpochSamplesKey, file);
  if (metadata.contains(kLedgerHashKey)) {
    checkpoint.ledger_hash = metadata_bits(metadata, kLedgerHashKey, "a hash", file);
  }
  checkpoint.configuration = metadata_text(metadata, kConfigurationKey, file);
  const std::string& configuration_hash = metadata_text(metadata, kConfigurationHashKey, file);
  if (configuration_hash != checkpoint.configuration_hash()) {
    fail(file, "has a configuration that is not the one that was saved: its hash is " +
                   checkpoint.configuration_hash() + " where " + quoted_name(configuration_hash) +
                   " is recorded");
  }

  for (const std::string& name : split_at_commas(metadata_text(metadata, kSlotsKey, file))) {
    checkpoint.optimizer.push_back({name, {}});
  }
  sort_tensors(storage->tensors, checkpoint, file);
  const std::string fault = fault_of_tensors(checkpoint);
  if (!fault.empty()) fail(file, fault);

  const std::string& recorded = metadata_text(metadata, kContentHashKey, file);
  const std::string found = content_hash(storage->tensors, metadata);
  if (recorded != found) {
    fail(file, "is damaged: the hash of its content is " + found + " where " + quoted_name(recorded) +
                   " is recorded");
  }
  return checkpoint;
}

Checkpoint load_checkpoint(const std::string& path) {
  return parse_checkpoint(read_file(path, kMaxSafetensorsBytes), path);
}

void restore_tensors(const Checkpoint& from, const Checkpoint& into, const std::string& file) {
  copy_tensors(tensors_of(from), tensors_of(into), file);
}

}  // namespace dml
