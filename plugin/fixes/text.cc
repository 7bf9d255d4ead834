#include "plugin/fixes/text.h"

#include <array>
#include <charconv>
#include <cstdint>

#include "plugin/base/utf8.h"

namespace hubrev {

char32_t next_code_point(std::string_view text, std::size_t& at) {
  std::string_view rest = text.substr(at);
  const auto point = take_code_point(rest);
  at = point ? text.size() - rest.size() : at + 1;
  return point.value_or(kReplacement);
}

void append_utf8(std::string& out, char32_t point) {
  if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) point = kReplacement;
  const auto put = [&](char32_t bits) { out += static_cast<char>(bits); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | (point >> 6));
    put(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    put(0xE0 | (point >> 12));
    put(0x80 | ((point >> 6) & 0x3F));
    put(0x80 | (point & 0x3F));
  } else {
    put(0xF0 | (point >> 18));
    put(0x80 | ((point >> 12) & 0x3F));
    put(0x80 | ((point >> 6) & 0x3F));
    put(0x80 | (point & 0x3F));
  }
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t point = next_code_point(text, at);
    const bool control = (point < 0x20 && point != '\n' && point != '\t') ||
                         (point >= 0x7F && point < 0xA0 && point != 0x85);
    if (!control && (point & 0xFFFE) != 0xFFFE) append_utf8(out, point);
  }
  return out;
}

std::string table_cell(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '[' || c == ']') out += '\\';
    if (c == '<') {
      out += "&lt;";
    } else {
      out += c == '\n' || c == '\t' ? ' ' : c;
    }
  }
  return out;
}

bool is_text(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t before = at;
    const char32_t point = next_code_point(bytes, at);
    if (point == 0) return false;
    // A genuine U+FFFD is three bytes long.
    if (point == kReplacement && at - before == 1) return false;
  }
  return true;
}

std::string float_text(double value) {
  std::array<char, 32> buffer{};
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  std::string text(buffer.data(), written.ptr);
  if (text.find('.') != std::string::npos) return text;
  const std::size_t exponent = text.find('e');
  text.insert(exponent == std::string::npos ? text.size() : exponent, ".0");
  return text;
}

}  // namespace hubrev
