#include "plugin/lfs/attribute_rules.h"

#include <algorithm>
#include <vector>

namespace hubrev {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// One character of text against the first element of a pattern.
struct ElementMatch {
  std::size_t length = 0;  // of the element in the pattern; 0: the pattern is malformed
  bool matches = false;
};

ElementMatch match_class(std::string_view pattern, char c) {
  std::size_t at = 1;
  const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (negated) ++at;
  bool found = false;
  for (bool first = true; at < pattern.size() && (first || pattern[at] != ']'); first = false) {
    const auto take = [&] {
      if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
      return static_cast<unsigned char>(pattern[at++]);
    };
    const unsigned char low = take();
    unsigned char high = low;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      ++at;
      high = take();
    }
    const auto byte = static_cast<unsigned char>(c);
    found = found || (low <= byte && byte <= high);
  }
  if (at >= pattern.size()) return {};
  return {at + 1, found != negated};
}

ElementMatch match_element(std::string_view pattern, char c) {
  switch (pattern.front()) {
    case '?':
      return {1, true};
    case '[':
      return match_class(pattern, c);
    case '\\':
      if (pattern.size() > 1) return {2, pattern[1] == c};
      return {};
    default:
      return {1, pattern.front() == c};
  }
}

// A `*` takes as little as it can; on a mismatch only the last one takes more. That suffices, as
// what follows an earlier one was matched at its first possible place.
bool match_name(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star_pattern = std::string_view::npos;
  std::size_t star_name = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star_pattern = ++p;
      star_name = n;
      continue;
    }
    if (p < pattern.size()) {
      const ElementMatch element = match_element(pattern.substr(p), name[n]);
      if (element.matches) {
        p += element.length;
        ++n;
        continue;
      }
    }
    if (star_pattern == std::string_view::npos) return false;
    p = star_pattern;
    n = ++star_name;
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/')) {
    parts.push_back(path.substr(0, slash));
    path.remove_prefix(slash + 1);
  }
  parts.push_back(path);
  return parts;
}

bool spans_parts(std::string_view part) {
  return part.size() >= 2 && part.find_first_not_of('*') == std::string_view::npos;
}

// As match_name(), with parts for characters and `**` for `*`.
bool match_parts(std::vector<std::string_view> pattern, const std::vector<std::string_view>& path) {
  if (spans_parts(pattern.back())) pattern.emplace_back("*");  // "dir/**" is what lies in dir
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star_pattern = std::string_view::npos;
  std::size_t star_path = 0;
  while (n < path.size()) {
    if (p < pattern.size() && spans_parts(pattern[p])) {
      star_pattern = ++p;
      star_path = n;
    } else if (p < pattern.size() && match_name(pattern[p], path[n])) {
      ++p;
      ++n;
    } else if (star_pattern != std::string_view::npos) {
      p = star_pattern;
      n = ++star_path;
    } else {
      return false;
    }
  }
  return p == pattern.size();
}

std::optional<char> unescape_letter(char letter) {
  constexpr std::string_view kLetters = "abfnrtv\\\"";
  constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\\"";
  const std::size_t at = kLetters.find(letter);
  if (at == std::string_view::npos) return std::nullopt;
  return kValues[at];
}

bool is_octal(std::string_view digits) {
  return digits.size() == 3 && digits[0] <= '3' &&
         digits.find_first_not_of("01234567") == std::string_view::npos;
}

// Takes a C-style quoted string off the front of `line`; nullopt when it is not well formed.
std::optional<std::string> take_quoted(std::string_view& line) {
  std::string text;
  for (std::size_t at = 1; at < line.size(); ++at) {
    if (line[at] == '"') {
      line.remove_prefix(at + 1);
      return text;
    }
    if (line[at] != '\\') {
      text += line[at];
      continue;
    }
    if (++at == line.size()) return std::nullopt;
    const std::string_view octal = line.substr(at, 3);
    if (const auto letter = unescape_letter(line[at])) {
      text += *letter;
    } else if (is_octal(octal)) {
      text += static_cast<char>((octal[0] - '0') * 64 + (octal[1] - '0') * 8 + (octal[2] - '0'));
      at += 2;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

std::optional<AttributeRule> parse_attribute_line(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  if (line.empty() || line.starts_with('#') || line.starts_with("[attr]")) return std::nullopt;
  AttributeRule rule;
  std::string_view rest = line;
  std::optional<std::string> quoted;
  if (line.starts_with('"')) quoted = take_quoted(rest);
  if (!quoted) rest = line;  // a stray quote is part of the pattern
  rule.pattern = quoted ? *quoted : std::string(take_word(rest));
  if (rule.pattern.starts_with('!')) return std::nullopt;
  bool says_filter = false;
  for (std::string_view word = take_word(rest); !word.empty(); word = take_word(rest)) {
    if (word == "filter" || word == "-filter" || word == "!filter" || word.starts_with("filter=")) {
      says_filter = true;
      rule.filter = word == "filter=lfs" ? LfsFilter::kOn : LfsFilter::kOff;
    }
  }
  if (!says_filter) return std::nullopt;
  return rule;
}

bool attribute_pattern_matches(std::string_view pattern, std::string_view path) {
  if (pattern.empty() || pattern.ends_with('/')) return false;  // a folder has no attributes
  if (pattern.find('/') == std::string_view::npos) {
    return match_name(pattern, path.substr(path.rfind('/') + 1));
  }
  if (pattern.starts_with('/')) pattern.remove_prefix(1);
  return match_parts(split(pattern), split(path));
}

bool matches_hub_default(std::string_view path) {
  return std::any_of(
      kHubDefaultPatterns.begin(), kHubDefaultPatterns.end(),
      [&](std::string_view pattern) { return attribute_pattern_matches(pattern, path); });
}

std::string exact_attribute_pattern(std::string_view path) {
  // The leading slash ties it to the root, and keeps '#', '!' and '"' from being read as syntax.
  std::string pattern = "/";
  for (const char c : path) {
    if (std::string_view("*?[\\").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  const auto needs_quotes = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  if (std::none_of(pattern.begin(), pattern.end(), needs_quotes)) return pattern;
  std::string quoted = "\"";
  for (const char c : pattern) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ') {
      quoted += {'\\', static_cast<char>('0' + (byte >> 6)),
                 static_cast<char>('0' + ((byte >> 3) & 7)), static_cast<char>('0' + (byte & 7))};
      continue;
    }
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace hubrev
