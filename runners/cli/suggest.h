// Guessing what somebody meant: the nearest known word, and the names other training tools use for our flags.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dml {

/// Edits (insert, delete, replace, swap two neighbours) that turn one word into the other; the optimal string
/// alignment form of Damerau-Levenshtein.
int edit_distance(std::string_view left, std::string_view right);

/// The word of `known` that `word` most likely means: the same but for case, '_' and '-'; or the only one it
/// begins; or the nearest by edits, at most a third of its letters. Nothing when none is near.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

/// What to write here for a flag of another tool, given without dashes ("batch-size" -> "--batch").
std::optional<std::string> foreign_flag(std::string_view name);

/// Our mode for a word other tools use ("ddp" -> "data-parallel").
std::optional<std::string> foreign_mode(std::string_view word);

/// "a, b or c".
std::string alternatives(std::span<const std::string> words);

}  // namespace dml
