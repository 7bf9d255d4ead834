#include "plugin/git/server_text.h"

#include <algorithm>
#include <cstddef>

#include "plugin/base/utf8.h"

namespace hubrev {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} * 1024;
constexpr std::string_view kBlank = " \n";

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
