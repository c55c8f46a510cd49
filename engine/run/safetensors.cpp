#include "engine/run/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "engine/run/atomic_file.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace dml {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "tensors are stored and mapped as little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the format's own library
constexpr const char* kMetadataKey = "__metadata__";

struct TypeName {
  const char* name;
  DType dtype;
};
constexpr std::array<TypeName, 5> kTypes = {
    {{"F32", DType::f32}, {"F64", DType::f64}, {"I32", DType::i32}, {"I64", DType::i64}, {"U8", DType::u8}}};

/// What the header says of one tensor, checked in itself.
struct Entry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::int64_t elements = 0;
  std::uint64_t begin = 0, end = 0;  ///< bytes of the data
};

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw DataError(
      file + ": " + what +
      "; the file is damaged or not written by a correct safetensors writer, copy or save it again");
}

[[noreturn]] void fail(const std::string& file, const Entry& entry, const std::string& what) {
  fail(file, "tensor " + quoted_name(entry.name) + " " + what);
}

/// The product of the sizes, or nothing when that many values do not fit into 2^63 - 1 bytes. A size of zero
/// makes the product zero, whatever the others are.
std::optional<std::int64_t> count_elements(std::span<const std::int64_t> shape, DType dtype) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  const auto limit =
      std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(size_in_bytes(dtype));
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || size > limit / elements) return std::nullopt;
    elements *= size;
  }
  return elements;
}

/// The length of the header, once it is known to lie within the file.
std::uint64_t read_header_length(std::span<const std::uint8_t> bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes) {
    fail(file, "is too short for a safetensors file: " + std::to_string(bytes.size()) +
                   " bytes found, at least 8 expected");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kMaxHeaderBytes) {
    fail(file, "is no safetensors file: its first 8 bytes say that the header has " + std::to_string(length) +
                   " bytes, more than the limit of " + std::to_string(kMaxHeaderBytes));
  }
  if (length > bytes.size() - kLengthBytes) {
    fail(file, "is truncated: its header has " + std::to_string(length) + " bytes, but only " +
                   std::to_string(bytes.size() - kLengthBytes) + " follow its length");
  }
  return length;
}

/// Parses the header, refusing what a JSON library would let pass: a key that appears twice in one object.
json parse_header(std::span<const std::uint8_t> header, const std::string& file) {
  if (header.empty() || header.front() != '{') fail(file, "has a header that does not begin with '{'");
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto check_keys = [&](int /*depth*/, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      fail(file, "has the key " + quoted_name(parsed.get<std::string>()) + " twice in its header");
    }
    return true;
  };
  try {
    return json::parse(header.begin(), header.end(), check_keys);
  } catch (const json::parse_error& error) {
    fail(file, "has a header that is not valid JSON in UTF-8, at its byte " + std::to_string(error.byte));
  } catch (const json::exception&) {
    fail(file, "has a header with a number that no tensor can have");
  }
}

SafetensorsMetadata parse_metadata(const json& object, const std::string& file) {
  if (!object.is_object()) fail(file, "has a __metadata__ that is not an object of texts");
  SafetensorsMetadata metadata;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) fail(file, "has the metadata " + quoted_name(key) + " that is not a text");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// Also rejects what JSON calls a number but a size or an offset cannot be: negative, fractional, above 2^63.
std::uint64_t parse_integer(const json& value, const Entry& entry, const std::string& what,
                            const std::string& file) {
  if (!value.is_number_unsigned() ||
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    fail(file, entry, "has " + what + " that is not an integer of 0 to 2^63 - 1");
  }
  return value.get<std::uint64_t>();
}

DType parse_dtype(const json& value, const Entry& entry, const std::string& file) {
  if (!value.is_string()) fail(file, entry, "has a dtype that is not a text");
  const auto name = value.get<std::string>();
  for (const TypeName& type : kTypes) {
    if (name == type.name) return type.dtype;
  }
  throw DataError(file + ": tensor " + quoted_name(entry.name) + " has dtype " + quoted_name(name) +
                  ", which is not read here (F32, F64, I32, I64 and U8 are); convert it first, in Python: " +
                  "save_file({k: v.float() for k, v in load_file(old).items()}, new)");
}

void parse_shape(const json& value, Entry& entry, const std::string& file) {
  if (!value.is_array()) fail(file, entry, "has a shape that is not a list");
  for (const json& size : value) {
    entry.shape.push_back(static_cast<std::int64_t>(parse_integer(size, entry, "a size in its shape", file)));
  }
  const std::optional<std::int64_t> elements = count_elements(entry.shape, entry.dtype);
  if (!elements) fail(file, entry, "has a shape with more bytes than 2^63");
  entry.elements = *elements;
}

Entry parse_entry(const std::string& name, const json& object, const std::string& file) {
  Entry entry;
  entry.name = name;
  if (!object.is_object()) fail(file, entry, "is described by something that is not an object");
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!object.contains(key)) fail(file, entry, std::string("has no ") + key);
  }
  if (object.size() != 3) fail(file, entry, "has a key beside dtype, shape and data_offsets");
  entry.dtype = parse_dtype(object["dtype"], entry, file);
  parse_shape(object["shape"], entry, file);

  const json& offsets = object["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2)
    fail(file, entry, "has data_offsets that are not two numbers");
  entry.begin = parse_integer(offsets[0], entry, "an offset", file);
  entry.end = parse_integer(offsets[1], entry, "an offset", file);
  if (entry.begin > entry.end) {
    fail(file, entry,
         "begins at byte " + std::to_string(entry.begin) + " of the data, after its end at byte " +
             std::to_string(entry.end));
  }
  const std::uint64_t wanted = static_cast<std::uint64_t>(entry.elements) * size_in_bytes(entry.dtype);
  if (entry.end - entry.begin != wanted) {
    fail(file, entry,
         "has " + std::to_string(entry.end - entry.begin) + " bytes of data, but its shape " +
             shape_text(entry.shape) + " of " + to_string(entry.dtype) + " needs " + std::to_string(wanted));
  }
  return entry;
}

/// The tensors, in the order of the data, must follow each other without overlap or hole to the end of the
/// file.
void check_cover(std::span<const Entry> entries, std::uint64_t data_bytes, const std::string& file) {
  std::uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.end > data_bytes) {
      fail(file, entry,
           "ends at byte " + std::to_string(entry.end) + " of the data, but the file holds only " +
               std::to_string(data_bytes) + ": it is truncated or its offsets are wrong");
    }
    if (entry.begin < covered) {
      fail(file, entry,
           "overlaps the tensor before it: it begins at byte " + std::to_string(entry.begin) +
               " of the data, where " + std::to_string(covered) + " is expected");
    }
    if (entry.begin > covered) {
      fail(file, entry,
           "leaves a hole before it: it begins at byte " + std::to_string(entry.begin) +
               " of the data, where " + std::to_string(covered) + " is expected");
    }
    covered = entry.end;
  }
  if (covered != data_bytes) {
    fail(file, "holds " + std::to_string(data_bytes) + " bytes of data, but its tensors cover only " +
                   std::to_string(covered));
  }
}

std::string make_header(std::span<const NamedTensor> tensors, const SafetensorsMetadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  std::uint64_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    DML_ASSERT(count_elements(tensor.shape, tensor.values.dtype) == tensor.values.elements,
               "the shape of tensor " + tensor.name + " is not that of its values");
    DML_ASSERT(tensor.name != kMetadataKey && !header.contains(tensor.name),
               "the tensor name " + tensor.name + " is taken");
    const auto* const type = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& known) {
      return known.dtype == tensor.values.dtype;
    });
    DML_ASSERT(type != kTypes.end(), "tensor " + tensor.name + " has a type without a name in the format");
    header[tensor.name] = {{"dtype", type->name},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.values.bytes()}}};
    offset += tensor.values.bytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + kLengthBytes - 1) / kLengthBytes * kLengthBytes, ' ');
  return text;
}

std::span<const std::uint8_t> bytes_of(const void* data, std::size_t count) {
  return {static_cast<const std::uint8_t*>(data), count};
}

}  // namespace

const NamedTensor* SafetensorsFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const NamedTensor& tensor) { return tensor.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

SafetensorsFile parse_safetensors(std::span<const std::uint8_t> bytes, const std::string& file) {
  const std::uint64_t header_bytes = read_header_length(bytes, file);
  const json header = parse_header(bytes.subspan(kLengthBytes, header_bytes), file);
  const std::span<const std::uint8_t> data = bytes.subspan(kLengthBytes + header_bytes);

  SafetensorsFile result;
  std::vector<Entry> entries;
  for (const auto& [key, value] : header.items()) {
    if (key == kMetadataKey) {
      result.metadata = parse_metadata(value, file);
    } else {
      entries.push_back(parse_entry(key, value, file));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_cover(entries, data.size(), file);

  for (Entry& entry : entries) {
    HostBuffer buffer(entry.elements, entry.dtype);
    if (buffer.bytes() > 0) std::memcpy(buffer.view().data, data.data() + entry.begin, buffer.bytes());
    result.tensors.push_back({std::move(entry.name), std::move(entry.shape), buffer.view()});
    result.buffers.push_back(std::move(buffer));
  }
  return result;
}

SafetensorsFile read_safetensors(const std::string& path) {
  return parse_safetensors(read_file(path, kMaxSafetensorsBytes), path);
}

void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const SafetensorsMetadata& metadata) {
  const std::string header = make_header(tensors, metadata);
  const std::uint64_t length = header.size();
  AtomicFile file(path);
  file.write(bytes_of(&length, sizeof length));
  file.write(bytes_of(header.data(), header.size()));
  for (const NamedTensor& tensor : tensors) file.write(bytes_of(tensor.values.data, tensor.values.bytes()));
  file.commit();
}

}  // namespace dml
