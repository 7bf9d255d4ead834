#include "plugin/base/utf8.h"

#include <cstdint>

namespace hubrev {
namespace {

bool is_continuation(char c) {
  return (static_cast<std::uint8_t>(c) & 0xC0) == 0x80;
}

// The first bytes, at most `limit`, without a sequence that would be cut in two.
std::string_view beginning(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && limit - end < 3 && is_continuation(text[end])) --end;
  return text.substr(0, end);
}

// What a terminal may obey instead of showing it; C1 too, as some do.
bool is_control(char32_t point) {
  return (point < 0x20 && point != U'\n') || (point >= 0x7F && point < 0xA0);
}

}  // namespace

std::optional<char32_t> take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) {
    text.remove_prefix(1);
    return lead;
  }
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return std::nullopt;
  char32_t point = lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return std::nullopt;
    point = (point << 6) | (byte(i) & 0x3F);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (overlong || surrogate || point > 0x10FFFF) return std::nullopt;
  text.remove_prefix(length);
  return point;
}

std::string shown_text(std::string_view text, std::size_t limit) {
  const std::string_view end = text.size() > limit ? "..." : "";
  text = beginning(text, limit);
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::string_view before = text;
    const auto point = take_code_point(text);
    if (!point) text.remove_prefix(1);
    if (point == U'\t') {
      result += ' ';
    } else if (!point || is_control(*point)) {
      result += '?';
    } else {
      result += before.substr(0, before.size() - text.size());
    }
  }
  return result.append(end);
}

}  // namespace hubrev
