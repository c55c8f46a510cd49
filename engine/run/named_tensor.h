// A tensor as files know it: a name, a shape and the values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/view.h"

namespace dml {

/// Does not own its values. values.elements is the product of `shape` (1 for an empty shape: a scalar),
/// row-major.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  View values;
};

/// "[16, 6, 5, 5]", as messages show a shape.
std::string shape_text(std::span<const std::int64_t> shape);

/// Text from a file as messages show it: quoted, everything but printable ASCII escaped, cut at 80
/// characters.
std::string quoted_name(const std::string& name);

/// Copies every tensor of `from` into the tensor of the same name in `into`, in any order. Throws DataError
/// naming `file`, tensor and rule, before anything is copied, unless both have the same names, shapes and
/// types.
void copy_tensors(std::span<const NamedTensor> from, std::span<const NamedTensor> into,
                  const std::string& file);

}  // namespace dml
