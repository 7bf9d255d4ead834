#pragma once
// Edits of a JSON text that leave every byte outside the edited value alone. Each function plans
// one edit; apply_edits() makes them all.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/fixes/json_text.h"

namespace hubrev {

// text[begin, end) becomes `replacement`; begin == end inserts.
struct JsonEdit {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string replacement;
};

// The value becomes `replacement`.
JsonEdit replace_value(const JsonText& json, JsonText::Id value, std::string replacement);
// A new first item, laid out as the array's other items are. Precondition: an array.
JsonEdit prepend_item(const JsonText& json, JsonText::Id array, std::string_view item);
// A new member, laid out as its neighbours are and in front of the first key that sorts after it (a
// trainer writes sorted keys). Precondition: an object without that key, and a key without escapes.
JsonEdit insert_member(const JsonText& json, JsonText::Id object, std::string_view key,
                       std::string_view value);

// Precondition: the edits do not overlap. Their order does not matter.
std::string apply_edits(const JsonText& json, std::vector<JsonEdit> edits);

}  // namespace hubrev
