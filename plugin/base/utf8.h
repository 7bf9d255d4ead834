#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hubrev {

// Takes one code point off the front of `text`. nullopt, with `text` as it was, where the bytes are
// not well-formed UTF-8 (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF).
// Precondition: !text.empty().
std::optional<char32_t> take_code_point(std::string_view& text);

// What somebody else wrote (a server, a file), made safe to show and to store: well-formed UTF-8
// without control characters but newline. Bytes that are neither become '?', a tab a space. Of more
// than `limit` bytes the first, and "...".
std::string shown_text(std::string_view text, std::size_t limit = std::string_view::npos);

}  // namespace hubrev
