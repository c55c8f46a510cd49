// Writes the seed corpus, one folder per target: make_corpus DIR. Small files, each with one thing to say.
#include <cstdio>
#include <functional>
#include <map>

#include "engine/run/checkpoint.h"
#include "engine/run/safetensors.h"
#include "tests/data/bytes.h"
#include "tests/data/idx_files.h"

namespace {

using dml::NamedTensor;
using dml::testing::Bytes;
using dml::testing::gzip;
using dml::testing::idx_header;
using dml::testing::idx_images;
using dml::testing::idx_labels;
using dml::testing::joined;
using dml::testing::read_bytes;
using dml::testing::write_bytes;

using Corpus = std::map<std::string, Bytes>;  ///< by file name

Bytes without_last(Bytes bytes, std::size_t count) {
  bytes.resize(bytes.size() - count);
  return bytes;
}

Bytes bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

Corpus idx_corpus() {
  return {{"images", idx_images(2, 3)},
          {"images_too_short", without_last(idx_images(2, 3), 1)},
          {"images_trailing", joined(idx_images(1, 2), Bytes{0})},
          {"labels", idx_labels(5)},
          {"labels_gzip", gzip(idx_labels(5))},
          {"labels_gzip_members", joined(gzip(idx_header({5})), gzip({1, 2, 3, 4, 5}))},
          {"labels_gzip_bad_crc", joined(without_last(gzip(idx_labels(5)), 8), Bytes(8))},
          {"labels_none", idx_header({0})},
          {"header_f32", joined(idx_header({1}, 0x0D), Bytes(4))},
          {"header_i8", idx_header({1}, 0x09)},
          {"header_i16", idx_header({1}, 0x0B)},
          {"header_i32", idx_header({1}, 0x0C)},
          {"header_f64", idx_header({1}, 0x0E)},
          {"header_overflow", idx_header({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF})},
          {"header_promise", idx_header({1'000'000})},
          {"header_cut", {0, 0, 8, 3, 0}},
          {"png", {0x89, 'P', 'N', 'G'}}};
}

Corpus gzip_corpus() {
  const Bytes text = bytes_of("the same words, the same words, the same words");
  Bytes bad_crc = gzip(text);
  bad_crc[bad_crc.size() - 8] ^= 1U;
  Bytes bad_length = gzip(text);
  bad_length.back() ^= 1U;
  Bytes bad_block = gzip(text);
  bad_block[10] = 0x07;  // a block of the reserved type
  // A header with every optional field: extra, name, comment, header checksum.
  const Bytes fields = {0x1f, 0x8b, 8, 0x1c, 0, 0, 0, 0, 0, 3, 2, 0, 'x', 'y', 'n', 0, 'c', 0};
  const Bytes plain = gzip({1, 2, 3});
  return {{"text", gzip(text)},
          {"empty", gzip({})},
          {"zeros", gzip(Bytes(100'000))},
          {"members", joined(gzip(text), gzip({}), gzip({1, 2, 3}))},
          {"bad_crc", bad_crc},
          {"bad_length", bad_length},
          {"bad_block", bad_block},
          {"truncated", without_last(gzip(text), 9)},
          {"trailing", joined(gzip(text), Bytes{1, 2, 3})},
          {"fields", joined(fields, Bytes(plain.begin() + 10, plain.end()))},
          {"magic_only", {0x1f, 0x8b}}};
}

/// The bytes that `write` puts into the path it is given.
Bytes written_by(const std::string& folder, const std::function<void(const std::string&)>& write) {
  const std::string path = folder + "/scratch";
  std::filesystem::create_directories(folder);
  write(path);
  Bytes bytes = read_bytes(path);
  std::filesystem::remove(path);
  return bytes;
}

/// The form that fuzz_support.h frames: header, a zero byte, data.
Bytes unframed(const Bytes& file) {
  std::uint64_t header_bytes = 0;
  for (std::size_t i = 8; i-- > 0;) header_bytes = header_bytes << 8U | file[i];
  const auto data = file.begin() + static_cast<std::ptrdiff_t>(8 + header_bytes);
  return joined(Bytes(file.begin() + 8, data), Bytes{0}, Bytes(data, file.end()));
}

/// Small tensors with memory of their own.
struct Tensors {
  std::vector<float> f32 = {0.5F, -1.5F};
  std::vector<double> f64 = {0.1};
  std::vector<std::int32_t> i32 = {-1};
  std::vector<std::int64_t> i64 = {1};
  std::vector<std::uint8_t> u8 = {1, 2, 3};

  template <class T>
  static NamedTensor tensor(const std::string& name, std::vector<std::int64_t> shape,
                            std::vector<T>& values) {
    return {name, std::move(shape), dml::view_of(std::span<T>(values))};
  }
};

Corpus safetensors_corpus(const std::string& folder) {
  Tensors t;
  const std::vector<NamedTensor> all = {t.tensor("f", {2, 1}, t.f32), t.tensor("d", {}, t.f64),
                                        t.tensor("i", {1}, t.i32), t.tensor("l", {1}, t.i64),
                                        t.tensor("u", {3}, t.u8)};
  const Bytes file = written_by(folder, [&](const std::string& path) {
    dml::write_safetensors(path, all, {{"k", "v"}});
  });
  const auto header = [](const std::string& text) { return joined(bytes_of(text), Bytes{0, 1, 2, 3, 4}); };
  return {
      {"all", file},
      {"all_framed", unframed(file)},
      {"truncated", without_last(file, 1)},
      {"no_tensors", bytes_of("{}")},
      {"empty_shape", bytes_of(R"({"a":{"dtype":"F32","shape":[7,0],"data_offsets":[0,0]}})")},
      {"f16", header(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})")},
      {"duplicate", header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":1})")},
      {"overlap", header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                         R"("b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})")},
      {"hole", header(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})")},
      {"rest", header(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})")},
      {"beyond", header(R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}})")},
      {"offsets_three", header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}})")},
      {"backwards", header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})")},
      {"wrong_size", header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})")},
      {"overflow", header(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}})")},
      {"negative", header(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})")},
      {"too_many_digits", header(R"({"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}})")},
      {"metadata_number", bytes_of(R"({"__metadata__":{"k":1}})")},
      {"metadata_list", bytes_of(R"({"__metadata__":[]})")},
      {"not_json", bytes_of("{x")},
      {"length_huge", Bytes(8, 0xff)}};
}

Corpus checkpoint_corpus(const std::string& folder) {
  Tensors t;
  dml::Checkpoint checkpoint;
  checkpoint.weights = {t.tensor("w", {2}, t.f32), t.tensor("b", {1, 2}, t.f32)};
  checkpoint.step = 3;
  checkpoint.epoch = 1;
  checkpoint.cursor = 64;
  checkpoint.epoch_loss_sum = 0.3;
  checkpoint.epoch_samples = 64;
  checkpoint.configuration = R"({"batch":32})";
  const auto saved = [&] {
    return written_by(folder, [&](const std::string& path) { dml::save_checkpoint(path, checkpoint); });
  };
  Corpus corpus;
  corpus["sgd_plain"] = saved();
  checkpoint.optimizer = {{"momentum", checkpoint.weights}};
  const Bytes momentum = saved();
  corpus["sgd_momentum"] = momentum;
  corpus["sgd_momentum_framed"] = unframed(momentum);
  checkpoint.weights = {t.tensor("w", {1}, t.f64)};
  checkpoint.optimizer = {{"first_moment", checkpoint.weights}, {"second_moment", checkpoint.weights}};
  corpus["adam_fp64_framed"] = unframed(saved());

  const Bytes framed = unframed(momentum);
  const std::string text(framed.begin(), framed.end());
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    const std::size_t at = changed.find(from);
    if (at == std::string::npos) throw dml::InternalError("the seed lacks " + from);
    return bytes_of(changed.replace(at, from.size(), to));
  };
  corpus["bad_step"] = replaced(R"("step":"3")", R"("step":"x")");
  corpus["bad_loss"] = replaced(R"("3fd3333333333333")", R"("7ff0000000000000")");
  corpus["bad_configuration"] = replaced("32", "33");
  corpus["bad_version"] = replaced(R"("format_version":"1")", R"("format_version":"2")");
  corpus["bad_slot"] = replaced(R"("optimizer_slots":"momentum")", R"("optimizer_slots":"moment,")");
  corpus["bad_tensor_name"] = replaced("weights/w", "weight/w");
  corpus["bad_weights"] = replaced("optimizer/momentum/w", "optimizer/momentum/v");
  corpus["bad_type"] = replaced("\"F32\"", "\"I32\"");
  corpus["foreign"] = replaced("dml_engine checkpoint", "pt");
  corpus["no_step"] = replaced(R"("step")", R"("stop")");
  corpus["no_weights"] = bytes_of(
      R"({"__metadata__":{"format":"dml_engine checkpoint","format_version":"1","step":"0","epoch":"0",)"
      R"("cursor":"0","epoch_loss_sum_bits":"0000000000000000","epoch_samples":"0","configuration":"",)"
      R"("configuration_hash":"xxh3:2d06800538d394c2","optimizer_slots":"","content_hash":""}})");
  corpus["bad_value"] = framed;
  corpus["bad_value"].back() ^= 1U;
  text.ends_with('\xbf') ? bytes_of(text.substr(0, text.size() - 1) + "?") : bytes_of(text);
  return corpus;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus DIR\n");
    return 64;
  }
  const std::string root = argv[1];
  const std::map<std::string, Corpus> corpora = {{"idx", idx_corpus()},
                                                 {"gzip", gzip_corpus()},
                                                 {"safetensors", safetensors_corpus(root)},
                                                 {"checkpoint", checkpoint_corpus(root)}};
  for (const auto& [target, corpus] : corpora) {
    for (const auto& [name, bytes] : corpus) write_bytes(root + "/" + target + "/" + name, bytes);
    std::printf("%s: %zu seeds\n", target.c_str(), corpus.size());
  }
  return 0;
}
