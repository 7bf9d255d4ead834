#pragma once

#include <optional>
#include <string_view>

namespace hubrev {

// Takes one code point off the front of `text`. nullopt, with `text` as it was, where the bytes are
// not well-formed UTF-8 (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF).
// Precondition: !text.empty().
std::optional<char32_t> take_code_point(std::string_view& text);

}  // namespace hubrev
