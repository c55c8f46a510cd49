// A checkpoint: everything a run needs to go on as if it had never stopped, in one safetensors file.
//
// Layout: tensors "weights/<name>" and "optimizer/<slot>/<name>" in the run's own type (F32, or F64 for fp64
// runs, so nothing is rounded); the numbers as metadata texts: integers in decimal, the loss sum as the 16
// hex digits of its bits, as is the hash of the consumed samples; the configuration with its hash; and
// content_hash, which covers all of the above. Which files a run keeps is the business of
// checkpoint_directory.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/run/named_tensor.h"

namespace dml {

struct SafetensorsFile;

/// One kind of optimizer state, for every parameter: "momentum", or Adam's "first_moment" and
/// "second_moment".
struct OptimizerSlot {
  std::string name;  ///< without '/'
  std::vector<NamedTensor> tensors;
};

struct Checkpoint {
  std::vector<NamedTensor> weights;  ///< all f32 or all f64, at least one
  std::vector<OptimizerSlot>
      optimizer;  ///< each slot holds the weights' names, shapes and type; may be empty

  std::int64_t step = 0;      ///< updates done
  std::int64_t epoch = 0;     ///< the epoch that goes on, counted from 0
  std::int64_t cursor = 0;    ///< positions of that epoch's order that have been consumed, over all replicas
  double epoch_loss_sum = 0;  ///< sum over the epoch's samples so far, finite
  std::int64_t epoch_samples = 0;  ///< how many those are
  /// Order-free hash of the samples of the epoch that were consumed so far (engine/data/ledger.h).
  /// Not known of files that were written before there was one.
  std::optional<std::uint64_t> ledger_hash;

  std::string configuration;  ///< canonical JSON text of the run's configuration

  /// Owns what the tensors of a loaded checkpoint show; null in one that is made to be saved.
  std::shared_ptr<const SafetensorsFile> storage;

  [[nodiscard]] std::string configuration_hash() const;
};

/// Writes one file, atomically. Throws IoError.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Parses the bytes of a checkpoint. Throws DataError naming `file` and the rule that is broken: not
/// safetensors, not a checkpoint, another format version, missing or damaged numbers, a configuration that is
/// not the one that was hashed, tensors that do not belong together, content that is not the one that was
/// saved.
Checkpoint parse_checkpoint(std::span<const std::uint8_t> bytes, const std::string& file);

/// The same from a file. Throws IoError when it cannot be read.
Checkpoint load_checkpoint(const std::string& path);

/// Copies weights and optimizer state of `from` into the memory that `into` shows. Throws DataError naming
/// `file` and the tensor or slot, before anything is copied, unless both have the same names, shapes and
/// types.
void restore_tensors(const Checkpoint& from, const Checkpoint& into, const std::string& file);

}  // namespace dml
