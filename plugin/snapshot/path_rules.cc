#include "plugin/snapshot/path_rules.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "plugin/base/utf8.h"

namespace hubrev {
namespace {

constexpr std::size_t kMaxPathBytes = 4096;

// What HFS+ drops from a name before it compares (git's utf8.c, next_hfs_char).
bool ignored_by_hfs(char32_t c) {
  return (c >= 0x200C && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x206A && c <= 0x206F) || c == 0xFEFF;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), text.begin(),
                                                    [](char a, char b) { return a == lower(b); });
}

// ".git" or its short name "git~1", then spaces, dots or a stream name (git's is_ntfs_dotgit).
bool ntfs_takes_for_dot_git(std::string_view part) {
  for (const std::string_view name : {".git", "git~1"}) {
    if (!starts_with_ignoring_case(part, name)) continue;
    const std::size_t end = part.find_first_not_of(" .", name.size());
    if (end == std::string_view::npos || part[end] == ':') return true;
  }
  return false;
}

// Precondition: well-formed UTF-8.
bool hfs_takes_for_dot_git(std::string_view part) {
  std::string kept;
  while (!part.empty()) {
    const std::string_view before = part;
    const auto point = take_code_point(part);
    if (!point || !ignored_by_hfs(*point)) kept += before.substr(0, before.size() - part.size());
  }
  return kept.size() == 4 && starts_with_ignoring_case(kept, ".git");
}

std::optional<std::string_view> part_problem(std::string_view part) {
  if (part.empty()) return "has an empty part";
  if (part == "." || part == "..") return "has the part '.' or '..'";
  if (ntfs_takes_for_dot_git(part) || hfs_takes_for_dot_git(part)) {
    return "is one that git reserves for its own folder";
  }
  return std::nullopt;
}

std::optional<std::string_view> character_problem(std::string_view path) {
  for (std::string_view rest = path; !rest.empty();) {
    const auto point = take_code_point(rest);
    if (!point) return "is not valid UTF-8";
    if (*point < 0x20 || *point == 0x7F) return "has a control character";
    if (*point == '\\') return "has a backslash";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> path_problem(std::string_view path) {
  if (path.size() > kMaxPathBytes) return "is longer than 4096 bytes";
  if (const auto problem = character_problem(path)) return problem;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    if (const auto problem = part_problem(path.substr(start, end - start))) return problem;
    start = end + 1;
  }
  return std::nullopt;
}

std::string shown_path(std::string_view name) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  while (!name.empty()) {
    std::string_view rest = name;
    const auto point = take_code_point(rest);
    if (point && *point >= 0x20 && *point != 0x7F) {
      text += name.substr(0, name.size() - rest.size());
      name = rest;
      continue;
    }
    const auto byte = static_cast<std::uint8_t>(name.front());
    text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    name.remove_prefix(1);
  }
  return text;
}

}  // namespace hubrev
