#include "plugin/git/server_text.h"

#include <algorithm>
#include <cstddef>

namespace hubrev {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} * 1024;
constexpr std::string_view kBlank = " \n";

unsigned char byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

// Length of the well-formed UTF-8 sequence at the start of `text` (Unicode 15, table 3-7), or 0.
std::size_t utf8_length(std::string_view text) {
  const unsigned char first = byte_at(text, 0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte_at(text, i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte_at(text, 1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second > 0x9F;
  const bool too_large = first == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// A meter draws over itself: it ends a drawing with a carriage return that no newline follows.
bool is_meter(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line.find('\r') != std::string_view::npos;
}

}  // namespace

std::string shown_text(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const unsigned char first = byte_at(text, 0);
    if (first == '\t') {
      result += ' ';
    } else if (length == 0 || (first < ' ' && first != '\n') || first == 0x7F) {
      result += '?';
    } else {
      result += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

void ServerText::append(std::string_view bytes) {
  bytes_ += bytes.substr(0, kMaxBytes - bytes_.size());
}

std::string ServerText::text() const {
  std::string lines;
  std::string_view rest = bytes_;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (is_meter(line)) continue;
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines += shown_text(line) + "\n";
  }
  return std::string(trim(lines));
}

}  // namespace hubrev
