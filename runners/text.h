// Numbers and words as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dml {

/// 60000 -> "60,000"
std::string with_thousands(std::int64_t value);
/// decimal(0.123456, 2) -> "0.12"; "-" when the value is not finite
std::string decimal(double value, int digits);
/// percent(0.877, 2) -> "87.70 %"
std::string percent(double share, int digits);
/// 75 -> "1:15", 3675 -> "1:01:15"
std::string clock_time(double seconds);
/// plural(1, "rank") -> "1 rank", plural(2, "rank") -> "2 ranks"
std::string plural(std::int64_t count, const std::string& word);

/// Rows of cells as aligned columns, the first `left_columns` of them flush left; every line ends in a
/// newline.
std::string aligned_table(const std::vector<std::vector<std::string>>& rows, std::size_t left_columns);

}  // namespace dml
