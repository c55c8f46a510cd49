#include "engine/comm/sum.h"

#include <type_traits>

namespace dml {
namespace {

template <class T>
void add(T* __restrict into, const T* __restrict from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) into[i] += from[i];
}

template <class T>
void add_view(View into, const std::byte* from) {
  // Signed overflow is undefined and unsigned is not, so integers are added as unsigned: the same bits.
  using Sum =
      typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;
  add(static_cast<Sum*>(into.data), reinterpret_cast<const Sum*>(from), into.elements);
}

}  // namespace

void add_elements(View into, const std::byte* from) {
  switch (into.dtype) {
    case DType::f32:
      return add_view<float>(into, from);
    case DType::f64:
      return add_view<double>(into, from);
    case DType::i32:
      return add_view<std::int32_t>(into, from);
    case DType::i64:
      return add_view<std::int64_t>(into, from);
    case DType::u8:
      break;
  }
  DML_ASSERT(false, "u8 values are never reduced");
}

}  // namespace dml
