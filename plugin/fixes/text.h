#pragma once
// UTF-8 and numbers as text, for the card.

#include <cstddef>
#include <string>
#include <string_view>

namespace hubrev {

// What stands for a byte sequence that is not UTF-8.
inline constexpr char32_t kReplacement = 0xFFFD;

// Decodes the code point at `at` and moves past it; one byte and kReplacement where the bytes are
// not UTF-8 (overlong forms and surrogates are not). Precondition: at < text.size().
char32_t next_code_point(std::string_view text, std::size_t& at);
// A surrogate or a number above U+10FFFF becomes kReplacement.
void append_utf8(std::string& out, char32_t point);

// Without control characters (tab and line feed stay) and noncharacters; what is not UTF-8 becomes
// kReplacement.
std::string printable(std::string_view text);

// For a cell of a Markdown table: on one line, and nothing that ends the cell or opens markup.
std::string table_cell(std::string_view text);

// UTF-8 without NUL bytes.
bool is_text(std::string_view bytes);

// The shortest decimal that reads back as `value` and that YAML 1.1 and 1.2 both take for a float:
// "0.5", "2.0", "1.0e-05". Precondition: finite.
std::string float_text(double value);

}  // namespace hubrev
