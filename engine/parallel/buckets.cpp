#include "engine/parallel/buckets.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace dml {

std::vector<ParameterRange> make_buckets(ParameterRange range, std::int64_t element_bytes,
                                         std::int64_t bucket_bytes) {
  DML_ASSERT(element_bytes > 0 && bucket_bytes > 0, "buckets of no size");
  const std::int64_t capacity = std::max<std::int64_t>(1, bucket_bytes / element_bytes);
  std::vector<ParameterRange> buckets;
  std::int64_t end = range.first + range.count;
  while (end > range.first) {
    const std::int64_t first = std::max(range.first, end - capacity);
    buckets.push_back({first, end - first});
    end = first;
  }
  return buckets;
}

}  // namespace dml
