// The parameters of a sampler as they are typed: --sampler dirichlet:alpha=0.1,min=10.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/error.h"

namespace dml {

class SamplerArguments {
 public:
  /// Throws UsageError when what follows the colon is no list of key=value, or names a key twice.
  explicit SamplerArguments(const std::string& text);

  [[nodiscard]] const std::string& name() const { return name_; }
  /// In (0, 1e6]; anything else is refused.
  double positive_real(const std::string& key, double fallback);
  /// In [low, 2^31).
  std::int64_t integer(const std::string& key, std::int64_t fallback, std::int64_t low);
  std::string choice(const std::string& key, const std::string& fallback,
                     const std::vector<std::string>& choices);
  /// Throws UsageError when a key was typed that nothing has read.
  void refuse_others() const;

  /// "--sampler dirichlet:alpha=x: " and the rest.
  [[nodiscard]] UsageError error(const std::string& what) const;

 private:
  const std::string* typed(const std::string& key);

  std::string text_, name_;
  std::vector<std::pair<std::string, std::string>> values_;
  std::vector<std::string> known_;
};

}  // namespace dml
