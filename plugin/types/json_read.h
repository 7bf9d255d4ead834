#pragma once
// JSON that comes from outside, before nlohmann's parser makes a tree of it.

#include <nlohmann/json.hpp>
#include <string_view>

namespace hubrev {

// Whether `text` opens more than `limit` arrays and objects inside each other; true or false for
// what is no JSON. A scan of its own: the parser keeps something for every open bracket (76 bytes)
// before it can be told, its callback takes quadratic time, and a tree is copied and written by
// recursion.
bool nests_deeper(std::string_view text, int limit);

// The value; is_discarded() when `text` is no JSON, nests deeper than 64 levels, or holds a zero
// byte, which the parser would take for the end.
nlohmann::json parse_json(std::string_view text);

}  // namespace hubrev
